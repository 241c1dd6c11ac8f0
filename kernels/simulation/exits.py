"""The reasons of an exit, by precedence, and the kinds of levels that end a position before its signal does."""

from __future__ import annotations

(
    EXIT_STOP_LOSS,
    EXIT_TRAILING_STOP,
    EXIT_TAKE_PROFIT,
    EXIT_TIME,
    EXIT_SIGNAL,
    EXIT_LAST_BAR,
    EXIT_RUIN,
    EXIT_GAP,
) = range(8)
"""The reasons of an exit. Where several hold at one time the lowest wins, but ruin over all; a bar before a gap is
never the last one."""
EXIT_REASONS = ("stop_loss", "trailing_stop", "take_profit", "time", "signal", "last_bar", "ruin", "gap")
"""The name of each `exit_reason`."""

SL_PCT, SL_ATR, TRAIL_PCT, MAX_BARS, TP_PCT, TP_ATR = range(6)
"""The kinds of levels, in the order in which combinations of them are numbered, the last fastest."""
KINDS = 6
LOSING_KINDS = 4
"""The kinds before this one hold a position back from losses or time; the others take its profit."""
REASON_OF_KIND = (
    EXIT_STOP_LOSS,
    EXIT_STOP_LOSS,
    EXIT_TRAILING_STOP,
    EXIT_TIME,
    EXIT_TAKE_PROFIT,
    EXIT_TAKE_PROFIT,
)
