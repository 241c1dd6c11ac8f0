"""First passages of trailing stops, which follow the best price since the fill.

A stop lies its percent off the best price of the times before: one minute may make a new best and fall, and nobody
knows which of the two came first. It depends on the bar and the percent alone, as the levels that stand still do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.bits import WORD_BITS
from kernels.jit import FLOAT, FLOATS, SHORT_INT_ROWS_OUT, inline, jit
from kernels.simulation.accounts import SHORT, entry_fill
from kernels.simulation.entry_bars import ENTRY_BARS, EntryBars
from kernels.simulation.levels.level_prices import level_factor, reaching
from kernels.simulation.prices import PRICES, Prices

OWN_FILL = -1
"""The time of a best price that is the fill itself."""


def trailing_passages(
    prices: Prices,
    slippage: float,
    side: float,
    levels_pct: Sequence[float],
    entries: EntryBars,
    out: NDArray[np.int32],
) -> None:
    """Write the table of these levels for one side: times and, where it has room, those of the best prices.

    Raises:
        ValueError: for a level of 100 % or more: it would never be reached.
    """
    if not all(level < 100.0 for level in levels_pct):
        raise ValueError(f"a trailing stop is below 100 %, got {list(levels_pct)}")
    _pass(prices, slippage, side, np.array(levels_pct, np.float64), entries, out)


class Waiting(NamedTuple):
    """The entries that no price has stopped yet, in groups of one best price, the highest first.

    A price stops groups from the front; a new best joins groups from the back into one. So each entry is moved a
    few times, whatever the prices. For shorts all prices are negative, so that a best one is a high.
    """

    bests: NDArray[np.float64]
    since: NDArray[np.int64]
    """The time of each best price."""
    heads: NDArray[np.int64]
    """The first and the last row of each group."""
    tails: NDArray[np.int64]
    following: NDArray[np.int64]
    """The row after each row of a group."""


@inline
def _insert(waiting, first, stop, price, row):
    """Put an entry among the groups `[first, stop)`; return where they end then.

    Its place is the last one but for slippage, by which a fill may be above the best price of older entries.
    """
    bests, since, heads, tails = waiting.bests, waiting.since, waiting.heads, waiting.tails
    place = stop
    while place > first and bests[place - 1] < price:
        place -= 1
    for at in range(stop, place, -1):
        bests[at], since[at], heads[at], tails[at] = bests[at - 1], since[at - 1], heads[at - 1], tails[at - 1]
    bests[place], since[place], heads[place], tails[place] = price, OWN_FILL, row, row
    return stop + 1


@inline
def _stop(waiting, group, time, column, n_levels, out):
    """Write that time for the entries of a group and, where there is room, that of its best price."""
    row, last = waiting.heads[group], waiting.tails[group]
    while True:
        out[row, column] = time
        if out.shape[1] > n_levels:
            out[row, n_levels + column] = waiting.since[group]
        if row == last:
            return
        row = waiting.following[row]


@inline
def _raise_best(waiting, first, stop, price, time):
    """Join the groups whose best price is below this one; return where the groups end then."""
    joined = stop
    while joined > first and waiting.bests[joined - 1] < price:
        joined -= 1
    if joined == stop:
        return stop
    for group in range(joined, stop - 1):
        waiting.following[waiting.tails[group]] = waiting.heads[group + 1]
    waiting.bests[joined], waiting.since[joined] = price, time
    waiting.tails[joined] = waiting.tails[stop - 1]
    return joined + 1


class Extremes(NamedTuple):
    """The worst and the best price of each bar for one side, both times that side, and the time of the best."""

    worst: NDArray[np.float64]
    best: NDArray[np.float64]
    best_time: NDArray[np.int64]


@inline
def _extremes(prices, side):
    reached, best = reaching(prices, -side), reaching(prices, side)
    n_bars, times_a_bar = prices.close.size, prices.fills.times_a_bar
    found = Extremes(np.full(n_bars, np.inf), np.full(n_bars, -np.inf), np.empty(n_bars, np.int64))
    for bar in range(n_bars):
        for time in range(bar * times_a_bar, (bar + 1) * times_a_bar):
            found.worst[bar] = min(found.worst[bar], side * reached[time])
            if side * best[time] > found.best[bar]:
                found.best[bar], found.best_time[bar] = side * best[time], time
    return found


@jit(PRICES, FLOAT, FLOAT, FLOATS, ENTRY_BARS, SHORT_INT_ROWS_OUT)
def _pass(prices, slippage, side, levels_pct, entry_bars, out):
    """Go forwards over the times: a price stops the entries whose level it reaches, then raises the others' bests.

    A bar whose worst price is above the level of its best one stops nothing, so that its minutes need no look.
    """
    fills, marks, size = prices.fills, entry_bars.marks[np.int64(side == SHORT)], out.shape[0]
    reached, best = reaching(prices, -side), reaching(prices, side)
    extremes = _extremes(prices, side)
    waiting = Waiting(
        np.empty(size + 1),
        np.empty(size + 1, np.int64),
        np.empty(size + 1, np.int64),
        np.empty(size + 1, np.int64),
        np.empty(size, np.int64),
    )
    for column in range(levels_pct.size):
        factor = level_factor(-side, levels_pct[column])
        first = stop = row = 0
        for bar in range(prices.close.size):
            if first < stop and extremes.worst[bar] > max(waiting.bests[first], extremes.best[bar]) * factor:
                stop = _raise_best(waiting, first, stop, extremes.best[bar], extremes.best_time[bar])
            elif first < stop:
                for time in range(bar * fills.times_a_bar, (bar + 1) * fills.times_a_bar):
                    while first < stop and side * reached[time] <= waiting.bests[first] * factor:
                        _stop(waiting, first, time, column, levels_pct.size, out)
                        first += 1
                    stop = _raise_best(waiting, first, stop, side * best[time], time)
            if marks[bar // WORD_BITS] >> np.uint64(bar % WORD_BITS) & np.uint64(1):
                stop = _insert(waiting, first, stop, side * entry_fill(side, fills.prices[bar], slippage), row)
                row += 1
        for group in range(first, stop):
            _stop(waiting, group, reached.size, column, levels_pct.size, out)
