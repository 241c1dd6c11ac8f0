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
from kernels.simulation.exits import LOSING_KINDS, TRAIL_PCT
from kernels.simulation.levels.level_prices import is_of_range, level_factor, reaching
from kernels.simulation.levels.trailing_stops import trailing_passages
from kernels.simulation.prices import PRICES, Prices

STOP_LOSS, TAKE_PROFIT = -1.0, 1.0
"""The direction from the entry to a level of a long position; for a short one it is the opposite."""

BLOCK_LEVELS = 16
"""The most levels of a table: one line of the cache holds the bars at which all of them stop an entry."""


@inline
def reaches(close, fill, towards, level_pct):
    """Tell if a close is at or beyond one level, by the comparison of the tables; never for a level of NaN."""
    return -towards * close <= -towards * fill * level_factor(towards, level_pct)


class StopTable(NamedTuple):
    """The subject of a table of first passages: some levels of one kind, for positions of one side."""

    side: float
    kind: int
    levels: Sequence[float]
    """1 to `BLOCK_LEVELS` of them, above 0."""

    @property
    def towards(self) -> float:
        """The direction from the entry to its levels; tables of one direction share a pass over the bars."""
        return self.side * (STOP_LOSS if self.kind < LOSING_KINDS else TAKE_PROFIT)


def passages(
    prices: Prices, slippage: float, tables: Sequence[StopTable], entries: EntryBars
) -> list[NDArray[np.int32]]:
    """Tables `(rows, levels)`: for each marked bar the first time after it that stops a position entered there.

    A level lies its percent of the entry fill, or so many average true ranges of the bar, off that fill, against
    the position where it holds back losses and with it where it takes profits; a price at the level stops. A
    table says `prices.fills.times` where none does. A level at 0 or below is never reached. That of a trailing
    stop has, inside bars, the times of the best prices in as many columns more.

    Raises:
        ValueError: for a level that is not above 0, or too many of them in a table.
    """
    for table in tables:
        if not 0 < len(table.levels) <= BLOCK_LEVELS or not all(level > 0.0 for level in table.levels):
            raise ValueError(f"a table has 1 to {BLOCK_LEVELS} levels above 0, got {list(table.levels)}")
    outs = [_room(table, prices, entries) for table in tables]
    trailing = [place for place, table in enumerate(tables) if table.kind == TRAIL_PCT]
    for place in trailing:
        trailing_passages(prices, slippage, tables[place].side, tables[place].levels, entries, outs[place])
    fixed = [place for place in range(len(tables)) if place not in trailing]
    for towards in {tables[place].towards for place in fixed}:
        chosen = [place for place in fixed if tables[place].towards == towards]
        chosen.sort(key=lambda place: tables[place].side == SHORT)
        levels = [tables[place].levels for place in chosen]
        longs = sum(tables[place].side != SHORT for place in chosen)
        shared = _Pass(
            np.concatenate(levels, dtype=np.float64),
            np.repeat([tables[place].kind for place in chosen], [len(some) for some in levels]),
            np.cumsum([0, *map(len, levels)]),
            np.array([0, longs, len(chosen)]),
            row_addresses([outs[place][None] for place in chosen]),
        )
        _passages(prices, slippage, towards, shared, entries)
    return outs


def _room(table: StopTable, prices: Prices, entries: EntryBars) -> NDArray[np.int32]:
    """The table with nothing in it yet; a trailing stop's inside bars has room for the best prices too."""
    columns = len(table.levels) * (2 if table.kind == TRAIL_PCT and prices.fills.is_inside else 1)
    return np.empty((entries.rows(table.side), columns), np.int32)


class _Pass(NamedTuple):
    """The tables that share a pass over the bars: those of long positions, then those of short ones."""

    levels: NDArray[np.float64]
    """The levels of all tables, one table after the other."""
    kinds: NDArray[np.int64]
    """The kind of each level."""
    bounds: NDArray[np.int64]
    """Table `i` has the levels `[bounds[i], bounds[i + 1])`."""
    of_side: NDArray[np.int64]
    """Side `s` has the tables `[of_side[s], of_side[s + 1])`."""
    addresses: NDArray[np.uint64]


@jit(PRICES, FLOAT, FLOAT, record_of(_Pass, FLOATS, INTS, INTS, INTS, WORDS), ENTRY_BARS)
def _passages(shared_prices, slippage, towards, shared, entry_bars):
    """Go backwards over the times, with a stack of the records that lie ahead, the nearest on top.

    Seen from a bar, only a price that is further than all before it can be the first to reach a level. Those
    records are sorted, so halving finds the first one beyond a level: n · log n for any prices.
    """
    levels, bounds, of_side, tables = shared.levels, shared.bounds, shared.of_side, shared.addresses
    marks, fills = entry_bars.marks, shared_prices.fills
    reached = reaching(shared_prices, towards)
    times_a_bar = fills.times_a_bar
    ahead = np.empty(reached.size)
    times = np.empty(reached.size, np.int32)
    factors = level_factor(towards, levels)
    prices, below = np.empty(levels.size), np.empty(levels.size, np.int64)
    rows = np.empty(2, np.int64)
    for short in range(2):
        rows[short] = entry_bars.before[short, -1] + np.int64(popcount(marks[short, -1]))
    count = 0
    for bar in range(shared_prices.close.size - 1, -1, -1):
        for short in range(2):
            if marks[short, bar // WORD_BITS] >> np.uint64(bar % WORD_BITS) & np.uint64(1):
                rows[short] -= 1
                fill = entry_fill(SHORT if short else LONG, fills.prices[bar], slippage)
                first, last = bounds[of_side[short]], bounds[of_side[short + 1]]
                for level in range(last - first):
                    price = fill * factors[first + level]
                    if is_of_range(shared.kinds[first + level]):
                        price = fill + towards * (levels[first + level] * shared_prices.atr[bar])
                    prices[level] = -towards * price
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
