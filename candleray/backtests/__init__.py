"""A backtest as it is asked for and answered: pure models, no arrays."""
