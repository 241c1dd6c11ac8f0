"""Candles that a session of a run receives, and from which minute on."""
