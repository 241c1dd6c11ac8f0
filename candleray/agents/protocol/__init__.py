"""The protocol that assistants speak, with its own SDK: the door, its listings, and the ways to it."""
