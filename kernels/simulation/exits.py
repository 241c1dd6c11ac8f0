"""The reasons of an exit, by precedence."""

from __future__ import annotations

EXIT_STOP_LOSS, EXIT_TAKE_PROFIT, EXIT_SIGNAL, EXIT_LAST_BAR, EXIT_RUIN, EXIT_GAP = range(6)
"""The reasons of an exit. Where several hold on one bar the lowest wins, but ruin over all; a bar before a gap
is never the last one."""
EXIT_REASONS = ("stop_loss", "take_profit", "signal", "last_bar", "ruin", "gap")
"""The name of each `exit_reason`."""
