"""First passages: the first bar after another whose close reaches a price.

They depend on bars and prices alone, never on a variant. Maxima of blocks of bars let a search skip what cannot
hold the price.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels.jit import inline

BLOCK = 64


def block_highs(close: NDArray[np.float64]) -> NDArray[np.float64]:
    """The highest close of each block of 64 bars."""
    return np.maximum.reduceat(close, np.arange(0, close.size, BLOCK))


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
