"""The average true range at each bar of a search, of which some levels are multiples."""

from __future__ import annotations

from candleray.backtests.rules.risk import Risk
from candleray.candles import FloatArray
from candleray.search.bars import Bars
from kernels.indicators import INDICATORS
from kernels.signals import compute


def true_ranges(bars: Bars, risk: Risk) -> FloatArray | None:
    """Return the average true range at each bar of the range, NaN where too few are before; None if unused."""
    if not risk.needs_ranges:
        return None
    first = max(0, bars.start - risk.history_bars)
    ranges: FloatArray = compute(
        INDICATORS["atr"], bars.candles.values[:, first:], {}, {"window": risk.atr_window}
    )["atr"]
    return ranges[bars.start - first :].copy()
