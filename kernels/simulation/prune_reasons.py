"""The reasons a variant is pruned for, without numba: rankings and checkpoints count them."""

KEPT, MAX_DRAWDOWN, LOSS_WINDOW, MIN_TRADES, MAX_TRADES, MAX_TRADE_DURATION = range(6)
"""The fate of a variant: `KEPT`, or the reason it was pruned for."""

REASONS = ("max_drawdown_pct", "loss_window", "min_trades", "max_trades", "max_trade_duration_bars")
"""The name of each reason, from `MAX_DRAWDOWN` on."""
