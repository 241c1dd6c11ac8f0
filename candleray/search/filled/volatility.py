"""The volatility at each bar of a search, of which levels and sizes are multiples: true ranges, and a day's."""

from __future__ import annotations

import numpy as np

from candleray.backtests.rules.risk import Risk
from candleray.backtests.rules.sizing import Sizing
from candleray.candles import FloatArray
from candleray.search.bars import Bars
from candleray.timeframes import DAY_MS
from kernels.indicators import INDICATORS
from kernels.signals import compute
from kernels.simulation.levels.sizes import daily_volatility


def true_ranges(bars: Bars, risk: Risk) -> FloatArray | None:
    """Return the average true range at each bar of the range, NaN where too few are before; None if unused."""
    if not risk.needs_ranges:
        return None
    first = max(0, bars.start - risk.history_bars)
    ranges: FloatArray = compute(
        INDICATORS["atr"], bars.candles.values[:, first:], {}, {"window": risk.atr_window}
    )["atr"]
    return ranges[bars.start - first :].copy()


def volatilities(bars: Bars, sizing: Sizing) -> FloatArray | None:
    """Return a day's volatility as it is known at each bar of the range, NaN likewise; None if unused."""
    if sizing.measure != "volatility":
        return None
    first = max(0, bars.start - sizing.history_bars)
    close = bars.candles.column("close")[first:]
    known: FloatArray = np.empty(close.size)
    daily_volatility(close, sizing.history_bars, DAY_MS / bars.bar_ms, known)
    return known[bars.start - first :].copy()
