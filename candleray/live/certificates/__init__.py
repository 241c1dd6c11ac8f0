"""Certificates: what a run has said, held against the backtest of the same minutes, bit for bit."""
