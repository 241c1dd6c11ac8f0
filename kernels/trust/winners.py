"""Halves of a record, and who wins on them: plain arrays that merge, without numba."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BLOCKS = 16

TURNED = 1024

FLIPS = 2 * TURNED
"""The number of flips: those of `TURNED` pairs of halves, either half up."""

LEAST = -(1 << 31)
"""The sum of a winner that is not there yet."""

FIRST_PREFIX, LAST_PREFIX = 4, BLOCKS - 1
"""Blocks at the beginning of the range that choose the variant for the block after them."""


def _pairs() -> NDArray[np.int64]:
    """Every half that holds the first block, the fewest of the first eight blocks first.

    So of the sums of the other byte a few rows are in use at a time.
    """
    masks = [mask for mask in range(1, 1 << BLOCKS, 2) if mask.bit_count() == BLOCKS // 2]
    return np.array(sorted(masks, key=lambda mask: ((mask & 255).bit_count(), mask & 255, mask)), np.int64)


PAIRS = _pairs()
"""A half and what it leaves make a pair: 6,435 of them."""

PREFIXES = np.array([(1 << blocks) - 1 for blocks in range(FIRST_PREFIX, LAST_PREFIX + 1)], np.int64)

HALVES = 2 * PAIRS.size
"""The number of halves: those of `PAIRS` in their order, then what each leaves."""


class Winners(NamedTuple):
    """The variant with the highest sum over each of some sets of blocks; of equals the lowest index."""

    sums: NDArray[np.int32]
    indices: NDArray[np.int64]
    """-1 where there is none."""
    others: NDArray[np.int32]
    """Its sum over the blocks that are not in the set."""

    @classmethod
    def none_of(cls, sets: int) -> Winners:
        return cls(np.full(sets, LEAST, np.int32), np.full(sets, -1, np.int64), np.zeros(sets, np.int32))

    def merged(self, other: Winners) -> Winners:
        """Return the winners among the variants of both; in any order, because theirs is total."""
        none, theirs = self.indices < 0, other.indices >= 0
        lower = (other.sums == self.sums) & (other.indices < self.indices)
        better = theirs & (none | (other.sums > self.sums) | lower)
        return Winners(
            np.where(better, other.sums, self.sums),
            np.where(better, other.indices, self.indices),
            np.where(better, other.others, self.others),
        )


def no_flips() -> NDArray[np.int32]:
    """Return the bests of no variants."""
    return np.full(FLIPS, LEAST, np.int32)
