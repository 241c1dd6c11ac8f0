"""Holdouts: candles that a user sealed before searching, and looks at once."""
