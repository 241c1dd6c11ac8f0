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

from kernels.accounts import SHORT, entry_fill
from kernels.bits import WORD_BITS
from kernels.entry_bars import EntryBars
from kernels.jit import BARS_OUT, FLOAT, FLOATS, WORDS, inline, jit, pointer_to

BLOCK = 64

STOP_LOSS, TAKE_PROFIT = -1.0, 1.0
"""Which way from the entry a level lies, for a long position; for a short one it is the other way."""


BLOCK_LEVELS = 16
"""Levels of one table: a line of the cache holds where they all stop an entry."""


def passages(
    close: NDArray[np.float64],
    slippage: float,
    side: float,
    kind: float,
    levels_pct: Sequence[float],
    entries: EntryBars,
) -> NDArray[np.int32]:
    """The table `(rows, levels)`: for each marked bar the first bar after it that stops what was entered on it.

    A level is its percent off the entry fill, against the position for `STOP_LOSS` and with it for `TAKE_PROFIT`;
    a close at the level stops. Where none does it is n; a level of 100 % or more below the fill is never reached.

    Raises:
        ValueError: for a level that is not above 0, or too many of them.
    """
    levels = np.array(levels_pct, np.float64)
    if not 0 < levels.size <= BLOCK_LEVELS or not (levels > 0.0).all():
        raise ValueError(f"a table has 1 to {BLOCK_LEVELS} levels above 0 %, got {list(levels_pct)}")
    bars = np.empty((entries.rows(side), levels.size), np.int32)
    _passages(close, slippage, side, side * kind, levels, entries.marks[int(side == SHORT)], bars)
    return bars


@jit(FLOATS, FLOAT, FLOAT, FLOAT, FLOATS, WORDS, BARS_OUT)
def _passages(close, slippage, side, towards, levels_pct, marks, out):
    """Backwards over the bars with the records that lie ahead on a stack, the nearest on top.

    Seen from a bar, only a close that is further than all closes before it can be the first to reach a level.
    Those records are sorted, so the first beyond a level is found by halving: n · log n for any prices.
    """
    ahead = np.empty(close.size)
    bars = np.empty(close.size, np.int32)
    count, row = 0, out.shape[0]
    for bar in range(close.size - 1, -1, -1):
        # Mirrored where the level lies above, so that a passage is always a fall.
        price = -towards * close[bar]
        if marks[bar // WORD_BITS] >> np.uint64(bar % WORD_BITS) & np.uint64(1):
            row -= 1
            fill = -towards * entry_fill(side, close[bar], slippage)
            for column in range(levels_pct.size):
                level = fill * (1.0 + towards * levels_pct[column] / 100.0)
                below = 0
                left = count
                while left > 0:
                    half = (left + 1) // 2
                    below += half if ahead[below + half - 1] <= level else 0
                    left -= half
                out[row, column] = bars[below - 1] if below else close.size
        while count and ahead[count - 1] >= price:
            count -= 1
        ahead[count], bars[count] = price, bar
        count += 1


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
        highs = np.maximum.reduceat(close, np.arange(0, close.size, BLOCK))
        return cls(highs, _exposed_bars(close, slippage))


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
