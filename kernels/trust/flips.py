"""The best of all variants where luck alone decides: the signs of whole blocks turned, half of them up, half down.

A strategy without an edge might as well have lost in a block what it won there. So the best of a grid, with
the signs of the same blocks turned in all its variants, is a best that luck might have given; variants that trade
alike stay alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels.jit import INTS, SHORT_INT_ROWS, SHORT_INTS_OUT, jit
from kernels.trust.halves import TILE, fill_sums, sums_of_a_tile
from kernels.trust.mixing import mixed
from kernels.trust.winners import LEAST, PAIRS, TURNED, no_flips


def _turned_pairs() -> NDArray[np.int64]:
    """Some of the pairs, far from each other: those whose mixed numbers are the least."""
    order = np.argsort(mixed(PAIRS.astype(np.uint64)), kind="stable")[:TURNED]
    return PAIRS[np.sort(order)]


TURNED_PAIRS = _turned_pairs()


def best_flips(rows: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return of each flip the highest sum among the rows; bests of parts merge by their maxima."""
    best = no_flips()
    _flip(rows, TURNED_PAIRS, best)
    return best


@jit(SHORT_INT_ROWS, INTS, SHORT_INTS_OUT)
def _flip(rows, pairs, best):
    low, high, totals = sums_of_a_tile()
    for begin in range(0, rows.shape[0], TILE):
        width = fill_sums(rows, begin, low, high, totals)
        for place in range(pairs.size):
            first, last = np.uint64(pairs[place] & 255), np.uint64(pairs[place] >> 8)
            up = down = np.int32(LEAST)
            for at in range(width):
                turned = np.int32(2 * np.int32(low[first, at] + high[last, at]) - totals[at])
                up, down = max(up, turned), max(down, np.int32(-turned))
            best[place] = max(best[place], up)
            best[place + pairs.size] = max(best[place + pairs.size], down)
