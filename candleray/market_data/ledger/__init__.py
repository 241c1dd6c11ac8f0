"""Versions of candles: what came when, from where, and what was known at a moment."""
