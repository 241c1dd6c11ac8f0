"""First passages: the first bar after another whose close reaches a price.

They depend on bars and prices alone, never on a variant. So each stop level has one table for each side, and every
variant of a search looks its exits up in it (R4.6).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import carray, types
from numpy.typing import NDArray

from kernels.bits import WORD_BITS, row_addresses
from kernels.jit import FLOAT, FLOATS, INTS, PLANES, WORDS, inline, jit, pointer_to
from kernels.simulation.accounts import LONG, SHORT, entry_fill
from kernels.simulation.entry_bars import EntryBars

BLOCK = 64

STOP_LOSS, TAKE_PROFIT = -1.0, 1.0
"""Which way from the entry a level lies, for a long position; for a short one it is the other way."""


BLOCK_LEVELS = 16
"""Levels of one table: a line of the cache holds where they all stop an entry."""


class StopTable(NamedTuple):
    """What a table of first passages is about: some levels of one kind, for positions of one side."""

    side: float
    kind: float
    levels_pct: Sequence[float]
    """1 to `BLOCK_LEVELS` of them, above 0."""

    @property
    def towards(self) -> float:
        """Which way from the entry its levels lie: tables that agree in this share a pass over the bars."""
        return self.side * self.kind


def passages(
    close: NDArray[np.float64], slippage: float, tables: Sequence[StopTable], entries: EntryBars
) -> list[NDArray[np.int32]]:
    """Tables `(rows, levels)`: for each marked bar the first bar after it that stops what was entered on it.

    A level is its percent off the entry fill, against the position for `STOP_LOSS` and with it for `TAKE_PROFIT`;
    a close at the level stops. Where none does it is n; a level of 100 % or more below the fill is never reached.

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
        _passages(
            close,
            slippage,
            towards,
            np.concatenate(levels, dtype=np.float64),
            np.cumsum([0, *map(len, levels)]),
            np.array([0, longs, len(chosen)]),
            entries.marks,
            np.array([entries.rows(LONG), entries.rows(SHORT)]),
            row_addresses([outs[place][None] for place in chosen]),
        )
    return outs


@jit(FLOATS, FLOAT, FLOAT, FLOATS, INTS, INTS, PLANES, INTS, WORDS)
def _passages(close, slippage, towards, levels_pct, bounds, of_side, marks, n_marked, tables):
    """Backwards over the bars with the records that lie ahead on a stack, the nearest on top.

    Seen from a bar, only a close that is further than all closes before it can be the first to reach a level.
    Those records are sorted, so the first beyond a level is found by halving: n · log n for any prices.

    Args:
        bounds: which of the levels each table has.
        of_side: which of the tables are for long positions, and then which for short ones.
    """
    ahead = np.empty(close.size)
    bars = np.empty(close.size, np.int32)
    factors = 1.0 + towards * levels_pct / 100.0
    prices, below = np.empty(levels_pct.size), np.empty(levels_pct.size, np.int64)
    rows = n_marked.copy()
    count = 0
    for bar in range(close.size - 1, -1, -1):
        # Mirrored where the level lies above, so that a passage is always a fall.
        price = -towards * close[bar]
        for short in range(2):
            if marks[short, bar // WORD_BITS] >> np.uint64(bar % WORD_BITS) & np.uint64(1):
                rows[short] -= 1
                fill = -towards * entry_fill(SHORT if short else LONG, close[bar], slippage)
                first, last = bounds[of_side[short]], bounds[of_side[short + 1]]
                for level in range(last - first):
                    prices[level] = fill * factors[first + level]
                _count_below(ahead, count, prices, last - first, below)
                for table in range(of_side[short], of_side[short + 1]):
                    start, stop = bounds[table], bounds[table + 1]
                    out = passages_at(tables[table], rows[short] + 1, stop - start)
                    for column in range(stop - start):
                        place = below[start - first + column]
                        out[rows[short], column] = bars[place - 1] if place else close.size
        while count and ahead[count - 1] >= price:
            count -= 1
        ahead[count], bars[count] = price, bar
        count += 1


@inline
def _count_below(ahead, count, prices, n_prices, below):
    """Write how many of the records lie at or below each of the prices.

    All prices take each halving together: one alone would wait for its loads, twice as long.
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


class Ruin(NamedTuple):
    """Where shorts may meet ruin, by bars and slippage alone: one does for any number of variants."""

    highs: NDArray[np.float64]
    """The highest close of each block of 64 bars."""
    exposed: int
    """Shorts opened before this bar may be ruined; from it on none can."""

    @classmethod
    def over(cls, close: NDArray[np.float64], slippage: float) -> Ruin:
        """
        Raises:
            ValueError: without bars.
        """
        if close.size == 0:
            raise ValueError("no bars to simulate")
        return cls(block_highs(close), _exposed_bars(close, slippage))


def block_highs(close: NDArray[np.float64]) -> NDArray[np.float64]:
    """The highest close of each block of 64 bars."""
    return np.maximum.reduceat(close, np.arange(0, close.size, BLOCK))


def block_lows(close: NDArray[np.float64]) -> NDArray[np.float64]:
    """The lowest close of each block of 64 bars."""
    return np.minimum.reduceat(close, np.arange(0, close.size, BLOCK))


@jit(FLOATS, FLOAT)
def _exposed_bars(close, slippage):
    """Shorts opened before this bar may meet twice their fill, and with it ruin; from it on none can."""
    highest = 0.0
    for bar in range(close.size - 1, -1, -1):
        if highest >= 2.0 * (close[bar] * (1.0 - slippage)):
            return bar + 1
        highest = max(highest, close[bar])
    return 0


@inline
def first_at_or_above(close, highs, price, start, stop):
    """The first bar of `[start, stop)` whose close is at or above the price; `stop` for none."""
    bar = start
    while bar < stop:
        block_end = min((bar // BLOCK + 1) * BLOCK, stop)
        if highs[bar // BLOCK] >= price:
            while bar < block_end:
                if close[bar] >= price:
                    return bar
                bar += 1
        bar = block_end
    return stop
