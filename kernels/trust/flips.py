"""The best of all variants where luck alone decides: the signs of whole blocks turned, half of them up, half down.

A strategy without an edge might as well have lost in a block what it won there. So the best of a grid, with
the signs of the same blocks turned in all its variants, is a best that luck might have given; variants that trade
alike stay alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels.jit import INTS, SHORT_INT_ROWS, SHORT_INTS_OUT, inline, jit
from kernels.trust.halves import (
    PART,
    PARTS,
    TILE,
    fill_highest,
    fill_sums,
    highest_sum,
    room_for_highest,
    sums_of_a_tile,
)
from kernels.trust.mixing import mixed
from kernels.trust.winners import PAIRS, TURNED, no_flips


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


@inline
def _turn(sums, width):
    """Put in place of a byte's sums over each set of blocks those of all eight, with the others' signs turned."""
    for mask in range(255):
        for at in range(width):
            sums[mask, at] = np.int32(2 * sums[mask, at] - sums[255, at])


@jit(SHORT_INT_ROWS, INTS, SHORT_INTS_OUT)
def _flip(rows, pairs, best):
    low, high, totals = sums_of_a_tile()
    low_most, high_most = room_for_highest()
    for begin in range(0, rows.shape[0], TILE):
        width = fill_sums(rows, begin, low, high, totals)
        _turn(low, width)
        _turn(high, width)
        fill_highest(low, width, low_most)
        parts = fill_highest(high, width, high_most)
        for flip in range(2 * pairs.size):
            mask = pairs[flip] if flip < pairs.size else 0xFFFF - pairs[flip - pairs.size]
            first, last = np.uint64(mask & 255), np.uint64(mask >> 8)
            most = best[flip]
            if np.int32(low_most[PARTS, first] + high_most[PARTS, last]) <= most:
                continue
            for part in range(parts):
                if np.int32(low_most[part, first] + high_most[part, last]) > most:
                    at, until = PART * part, min(PART * part + PART, width)
                    most = max(most, highest_sum(low[first, at:until], high[last, at:until]))
            best[flip] = most
