"""The prices that a search trades at, and what of them every variant shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.jit import FLOAT, FLOATS, INT, INTS, inline, jit, record_of
from kernels.simulation.fills import FILLS, Fills

BLOCK = 64
"""Bars of a block, whose highest and lowest close tell whether any of its bars needs a look."""


class Prices(NamedTuple):
    """The prices of some bars; one is enough for any number of variants with the same slippage and fills."""

    close: NDArray[np.float64]
    highs: NDArray[np.float64]
    """The highest close of each block of bars."""
    lows: NDArray[np.float64]
    """The lowest close of each block of bars."""
    exposed: int
    """Shorts that open before this bar may be ruined; no later one can."""
    gaps: NDArray[np.int64]
    """The bars after which time is missing, ascending: no position is held from them to the next bar."""
    fills: Fills
    atr: NDArray[np.float64]
    """The average true range at each bar, where levels are multiples of it; empty elsewhere."""
    volatility: NDArray[np.float64]
    """The volatility of a day as it is known at each bar, where sizes follow from it; empty elsewhere."""
    first_entry: int
    """No position opens on a bar before this one: its average true range or volatility is not known."""

    @classmethod
    def over(
        cls,
        close: NDArray[np.float64],
        slippage: float,
        gaps: NDArray[np.int64] | Sequence[int] = (),
        fills: Fills | None = None,
        atr: NDArray[np.float64] | None = None,
        volatility: NDArray[np.float64] | None = None,
    ) -> Prices:
        """
        Args:
            fills: where signals and levels fill; at the closes where left out.
            atr: the average true range at each bar, NaN on the first ones where it is not known.
            volatility: that of a day at each bar, NaN likewise.

        Raises:
            ValueError: without bars, for fills, ranges or volatilities of other bars, or for gaps that are not
                ascending bars before the last one.
        """
        if close.size == 0:
            raise ValueError("no bars to simulate")
        after = np.array(gaps, np.int64)
        if (np.diff(after, prepend=-1, append=close.size - 1) <= 0).any() and after.size:
            raise ValueError(f"gaps after the bars {after.tolist()} of {close.size}")
        filled = fills or Fills.at_closes(close)
        filled.check(close.size)
        exposed = _exposed_bars(close, filled.prices, slippage) + filled.delay
        ranges, moves = (np.empty(0) if one is None else one for one in (atr, volatility))
        for name, known in (("average true ranges", ranges), ("volatilities", moves)):
            if known.size not in (0, close.size):
                raise ValueError(f"{name} of {known.size} bars for {close.size}")
        first = max(int(np.isnan(known).sum()) for known in (ranges, moves))
        return cls(close, block_highs(close), block_lows(close), exposed, after, filled, ranges, moves, first)


PRICES = record_of(Prices, FLOATS, FLOATS, FLOATS, INT, INTS, FILLS, FLOATS, FLOATS, INT)
"""The compiled type of `Prices`."""


def block_highs(close: NDArray[np.float64]) -> NDArray[np.float64]:
    """The highest close of each block of bars."""
    return np.maximum.reduceat(close, np.arange(0, close.size, BLOCK))


def block_lows(close: NDArray[np.float64]) -> NDArray[np.float64]:
    """The lowest close of each block of bars."""
    return np.minimum.reduceat(close, np.arange(0, close.size, BLOCK))


@jit(FLOATS, FLOATS, FLOAT)
def _exposed_bars(close, fills, slippage):
    """Return the first bar from which on no short can see its price double, where ruin begins."""
    highest = 0.0
    for bar in range(close.size - 1, -1, -1):
        if highest >= 2.0 * (fills[bar] * (1.0 - slippage)):
            return bar + 1
        highest = max(highest, close[bar])
    return 0


@inline
def first_at_or_above(prices, price, start, stop):
    """The first bar of `[start, stop)` whose close is at or above the price; `stop` for none."""
    bar = start
    while bar < stop:
        block_end = min((bar // BLOCK + 1) * BLOCK, stop)
        if prices.highs[bar // BLOCK] >= price:
            while bar < block_end:
                if prices.close[bar] >= price:
                    return bar
                bar += 1
        bar = block_end
    return stop
