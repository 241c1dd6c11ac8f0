"""Trials: the record of every search of a user, and what the earlier ones take from a later verdict."""
