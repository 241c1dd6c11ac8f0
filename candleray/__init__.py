"""Candleray: exact searches over trading strategies on one-minute candles."""
