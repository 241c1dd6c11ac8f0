"""The levels that end a position before its signal does: the first times at which they are reached."""
