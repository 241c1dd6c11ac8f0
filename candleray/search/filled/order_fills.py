"""The fills of a request in the kernels' types."""

from __future__ import annotations

from candleray.backtests.request import BacktestRequest
from candleray.backtests.rules.fill import EntryFill, Tie
from candleray.search.bars import Bars
from kernels.simulation.fills import Fills, Minutes


def fills_of(bars: Bars, request: BacktestRequest, *, looks_inside: bool) -> Fills | None:
    """Return where the signals and levels of a request fill; None where that is at closes.

    Args:
        looks_inside: whether levels are looked at in minutes.
    """
    waits = request.fill.entry is EntryFill.NEXT_OPEN
    if not waits and not looks_inside:
        return None
    return Fills.of(
        bars.close,
        opens=bars.candles.column("open")[bars.start :] if waits else None,
        minutes=Minutes(*bars.minutes) if looks_inside else None,
        target_first=request.fill.tie is Tie.TARGET_FIRST,
    )
