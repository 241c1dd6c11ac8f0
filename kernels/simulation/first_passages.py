"""First passages: the first later time at which a price is reached, by a close or by a minute's high or low.

They depend on bars and prices alone, never on a variant. So each stop level has one table for each side, and every
variant of a search looks its exits up in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import carray, types
from numpy.typing import NDArray

from kernels.bits import WORD_BITS, popcount, row_addresses
from kernels.jit import FLOAT, FLOATS, INTS, WORDS, inline, jit, pointer_to, record_of
from kernels.simulation.accounts import LONG, SHORT, entry_fill
from kernels.simulation.entry_bars import ENTRY_BARS, EntryBars
from kernels.simulation.prices import PRICES, Prices

STOP_LOSS, TAKE_PROFIT = -1.0, 1.0
"""The direction from the entry to a level of a long position; for a short one it is the opposite."""

BLOCK_LEVELS = 16
"""The most levels of a table: one line of the cache holds the bars at which all of them stop an entry."""


@inline
def level_factor(towards, level_pct):
    """The price of a level as a share of the fill: so many percent above it, or, towards -1, below."""
    return 1.0 + towards * level_pct / 100.0


@inline
def reaches(close, fill, towards, level_pct):
    """Tell if a close is at or beyond one level, by the comparison of the tables; never for a level of NaN."""
    return -towards * close <= -towards * fill * level_factor(towards, level_pct)


class StopTable(NamedTuple):
    """The subject of a table of first passages: some levels of one kind, for positions of one side."""

    side: float
    kind: float
    levels_pct: Sequence[float]
    """1 to `BLOCK_LEVELS` of them, above 0."""

    @property
    def towards(self) -> float:
        """The direction from the entry to its levels; tables of one direction share a pass over the bars."""
        return self.side * self.kind


def passages(
    prices: Prices, slippage: float, tables: Sequence[StopTable], entries: EntryBars
) -> list[NDArray[np.int32]]:
    """Tables `(rows, levels)`: for each marked bar the first time after it that stops a position entered there.

    A level lies its percent off the entry fill, against the position for `STOP_LOSS` and with it for
    `TAKE_PROFIT`; a price at the level stops. A table says `prices.fills.times` where none does. A level of 100 %
    or more below the fill is never reached.

    Raises:
        ValueError: for a level that is not above 0, or too many of them in a table.
    """
    for table in tables:
        if not 0 < len(table.levels_pct) <= BLOCK_LEVELS or not all(level > 0.0 for level in table.levels_pct):
            raise ValueError(f"a table has 1 to {BLOCK_LEVELS} levels above 0 %, got {list(table.levels_pct)}")
    outs = [np.empty((entries.rows(table.side), len(table.levels_pct)), np.int32) for table in tables]
    for towards in {table.towards for table in tables}:
        chosen = [place for place, table in enumerate(tables) if table.towards == towards]
        chosen.sort(key=lambda place: tables[place].side == SHORT)
        levels = [tables[place].levels_pct for place in chosen]
        longs = sum(tables[place].side != SHORT for place in chosen)
        shared = _Pass(
            np.concatenate(levels, dtype=np.float64),
            np.cumsum([0, *map(len, levels)]),
            np.array([0, longs, len(chosen)]),
            row_addresses([outs[place][None] for place in chosen]),
        )
        _passages(prices, slippage, towards, shared, entries)
    return outs


class _Pass(NamedTuple):
    """The tables that share a pass over the bars: those of long positions, then those of short ones."""

    levels_pct: NDArray[np.float64]
    """The levels of all tables, one table after the other."""
    bounds: NDArray[np.int64]
    """Table `i` has the levels `[bounds[i], bounds[i + 1])`."""
    of_side: NDArray[np.int64]
    """Side `s` has the tables `[of_side[s], of_side[s + 1])`."""
    addresses: NDArray[np.uint64]


@jit(PRICES, FLOAT, FLOAT, record_of(_Pass, FLOATS, INTS, INTS, WORDS), ENTRY_BARS)
def _passages(shared_prices, slippage, towards, shared, entry_bars):
    """Go backwards over the times, with a stack of the records that lie ahead, the nearest on top.

    Seen from a bar, only a price that is further than all before it can be the first to reach a level. Those
    records are sorted, so halving finds the first one beyond a level: n · log n for any prices.
    """
    levels_pct, bounds, of_side, tables = shared.levels_pct, shared.bounds, shared.of_side, shared.addresses
    marks, fills = entry_bars.marks, shared_prices.fills
    reached = _reached(shared_prices, towards)
    times_a_bar = fills.times_a_bar
    ahead = np.empty(reached.size)
    times = np.empty(reached.size, np.int32)
    factors = level_factor(towards, levels_pct)
    prices, below = np.empty(levels_pct.size), np.empty(levels_pct.size, np.int64)
    rows = np.empty(2, np.int64)
    for short in range(2):
        rows[short] = entry_bars.before[short, -1] + np.int64(popcount(marks[short, -1]))
    count = 0
    for bar in range(shared_prices.close.size - 1, -1, -1):
        for short in range(2):
            if marks[short, bar // WORD_BITS] >> np.uint64(bar % WORD_BITS) & np.uint64(1):
                rows[short] -= 1
                fill = -towards * entry_fill(SHORT if short else LONG, fills.prices[bar], slippage)
                first, last = bounds[of_side[short]], bounds[of_side[short + 1]]
                for level in range(last - first):
                    prices[level] = fill * factors[first + level]
                _count_below(ahead, count, prices, last - first, below)
                for table in range(of_side[short], of_side[short + 1]):
                    start, stop = bounds[table], bounds[table + 1]
                    out = passages_at(tables[table], rows[short] + 1, stop - start)
                    for column in range(stop - start):
                        place = below[start - first + column]
                        out[rows[short], column] = times[place - 1] if place else reached.size
        for time in range((bar + 1) * times_a_bar - 1, bar * times_a_bar - 1, -1):
            # Mirrored where the level lies above, so that a passage is always a fall.
            price = -towards * reached[time]
            while count and ahead[count - 1] >= price:
                count -= 1
            ahead[count], times[count] = price, time
            count += 1


@inline
def _reached(prices, towards):
    """The prices that may reach a level in that direction, one a time."""
    if prices.fills.opens.size == 0:
        return prices.close
    return prices.fills.lows if towards < 0.0 else prices.fills.highs


@inline
def _count_below(ahead, count, prices, n_prices, below):
    """Write how many of the records lie at or below each of the prices.

    All prices take each halving together: one price alone would wait for its loads, twice as long.
    """
    for level in range(n_prices):
        below[level] = 0
    left = count
    while left > 0:
        half = (left + 1) // 2
        for level in range(n_prices):
            below[level] += half if ahead[below[level] + half - 1] <= prices[level] else 0
        left -= half


_bar_pointer = pointer_to(types.int32)


@inline
def passages_at(address, n_rows, n_levels):
    """The table at an address as an array `int32[n_rows, n_levels]`; for compiled code."""
    return carray(_bar_pointer(address), (n_rows, n_levels))
