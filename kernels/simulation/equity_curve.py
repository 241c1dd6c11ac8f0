"""The equity curve of a simulation: its drawdown episodes, its exposure, and its points at the ends of days.

The curve is the initial cash at the opening of the first bar, then one point at the close of each bar, with an
open position at the raw close. Sums run in the order of time, except the exposure's: bars at the same place of
their blocks of 64 are added up first, which a processor does several at once. A fall below 1e-12 of the peak is
rounding and counts as none.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.jit import FLOAT, FLOATS, FLOATS_OUT, INT, INTS, inline, jit, record_of, splice
from kernels.simulation.prices import BLOCK, block_highs, block_lows
from kernels.simulation.trades import TRADES

_DAY_MS = 86_400_000
_ROUNDING = 1e-12


class ReportedBars(NamedTuple):
    """The bars of some simulations, with all that any number of their reports share."""

    close: NDArray[np.float64]
    ts_open_ms: NDArray[np.int64]
    bar_ms: int
    """The length of a bar."""
    highs: NDArray[np.float64]
    """The highest close of each block of bars."""
    lows: NDArray[np.float64]
    """The lowest close of each block of bars."""
    day_ends: NDArray[np.int64]
    """The last bar of each UTC day that has any."""

    @classmethod
    def of(cls, close: NDArray[np.float64], ts_open_ms: NDArray[np.int64], bar_ms: int) -> ReportedBars:
        """
        Raises:
            ValueError: without bars, or without a stamp for each.
        """
        if close.size == 0 or close.size != ts_open_ms.size:
            raise ValueError(f"{close.size} closes and {ts_open_ms.size} stamps make no report")
        midnights = np.arange(ts_open_ms[0] // _DAY_MS + 1, ts_open_ms[-1] // _DAY_MS + 1) * _DAY_MS
        day_ends = np.unique(np.append(np.searchsorted(ts_open_ms, midnights), ts_open_ms.size)) - 1
        return cls(close, ts_open_ms, bar_ms, block_highs(close), block_lows(close), day_ends)


REPORTED_BARS = record_of(ReportedBars, FLOATS, INTS, INT, FLOATS, FLOATS, INTS)
"""The compiled type of `ReportedBars`."""


class Curve(NamedTuple):
    """The past of an equity curve up to a bar: its drawdown episodes, its peak, and its lowest point since."""

    deepest: float
    depths: float
    """The sum over all episodes, as is `times_ms`."""
    longest_ms: int
    times_ms: int
    episodes: int
    peak: float
    peak_ms: int
    lowest: float


@inline
def _with_point(curve, equity, now_ms, is_last):
    """The curve with one more point; the last point of all ends the episode that is under way."""
    deepest, depths, episodes = curve.deepest, curve.depths, curve.episodes
    longest_ms, times_ms = curve.longest_ms, curve.times_ms
    peak, lowest = curve.peak, curve.lowest
    if equity < peak * (1.0 - _ROUNDING):
        lowest = min(lowest, equity)
        if not is_last:
            return Curve(deepest, depths, longest_ms, times_ms, episodes, peak, curve.peak_ms, lowest)
    if lowest < peak:
        depth = (peak - lowest) / peak
        deepest = max(deepest, depth)
        depths += depth
        longest_ms = max(longest_ms, now_ms - curve.peak_ms)
        times_ms += now_ms - curve.peak_ms
        episodes += 1
    peak = max(peak, equity)
    return Curve(deepest, depths, longest_ms, times_ms, episodes, peak, now_ms, peak)


@splice
def _after_idle_bars(curve, equity, first, stop, bars):
    """The curve after bars without a position: of equal points the first and the last are enough."""
    last = bars.ts_open_ms.size - 1
    if first < stop:
        curve = _with_point(curve, equity, bars.ts_open_ms[first] + bars.bar_ms, first == last)
    if first + 1 < stop:
        curve = _with_point(curve, equity, bars.ts_open_ms[stop - 1] + bars.bar_ms, stop - 1 == last)
    return curve


@splice
def _expose(close, quantity, base, signed, fill, exposures):
    for t in range(close.size):
        exposures[t] += quantity * close[t] / (base + signed * (close[t] - fill))


@splice
def _after_held_bars(curve, base, trade, bars, exposures):
    """The curve after the bars of a position; adds its share of the equity on each to the `exposures`, if any."""
    quantity, signed, fill = trade.quantity, trade.side * trade.quantity, trade.entry_fill
    close, ts_open_ms, bar_ms = bars.close, bars.ts_open_ms, bars.bar_ms
    bests, worsts = (bars.highs, bars.lows) if trade.side > 0.0 else (bars.lows, bars.highs)
    bar = trade.entry_bar
    while bar < trade.exit_bar:
        first, block = bar, bar // BLOCK
        bar = min((block + 1) * BLOCK, trade.exit_bar)
        if exposures.size > 0:
            _expose(close[first:bar], quantity, base, signed, fill, exposures[first - block * BLOCK :])
        # A position is never worth less where its price goes its way: the best close has the highest equity.
        if bar - first == BLOCK and base + signed * (bests[block] - fill) < curve.peak * (1.0 - _ROUNDING):
            curve = _with_point(curve, base + signed * (worsts[block] - fill), ts_open_ms[first], False)
            continue
        for t in range(first, bar):
            curve = _with_point(curve, base + signed * (close[t] - fill), ts_open_ms[t] + bar_ms, False)
    return curve


@jit(TRADES, REPORTED_BARS, FLOAT, INT)
def follow_equity(trades, bars, init_cash, exposed):
    """The equity curve at the bars' closes, of which no point is kept, and the mean of position value / equity.

    Args:
        exposed: 0 leaves the mean out, and is 0: it takes a division for every bar of a position.
    """
    curve = Curve(0.0, 0.0, 0, 0, 0, init_cash, bars.ts_open_ms[0], init_cash)
    settled = init_cash
    exposures = np.zeros(BLOCK if exposed else 0)
    bar = 0
    for i in range(trades.size):
        trade = trades[i]
        curve = _after_idle_bars(curve, settled, bar, trade.entry_bar, bars)
        curve = _after_held_bars(curve, settled - trade.entry_fee_quote, trade, bars, exposures)
        bar = trade.exit_bar
        settled = trade.equity_quote
    total = 0.0
    for exposure in exposures:
        total += exposure
    n_bars = bars.close.size
    return _after_idle_bars(curve, settled, bar, n_bars, bars), total / n_bars


@inline
def marked(settled, entry_fee, signed, fill, close):
    """The equity at a close with an open position, of a `signed` quantity, that was settled before its entry."""
    base = settled - entry_fee
    return base + signed * (close - fill)


@jit(TRADES, FLOATS, FLOAT, INTS, FLOATS_OUT)
def mark_equity(trades, close, init_cash, bars, equity):
    """Write the equity at the close of some bars, given in order."""
    settled = init_cash
    i = 0
    for place in range(bars.size):
        bar = bars[place]
        while i < trades.size and trades[i].exit_bar <= bar:
            settled = trades[i].equity_quote
            i += 1
        equity[place] = settled
        if i < trades.size and trades[i].entry_bar <= bar:
            trade = trades[i]
            signed = trade.side * trade.quantity
            equity[place] = marked(settled, trade.entry_fee_quote, signed, trade.entry_fill, close[bar])


@jit(FLOATS)
def moments(values):
    """Mean and standard deviation (ddof 1); 0 where there are too few values for one."""
    mean = squares = 0.0
    for value in values:
        mean += value
    mean /= max(values.size, 1)
    for value in values:
        squares += (value - mean) ** 2
    return mean, math.sqrt(squares / max(values.size - 1, 1))
