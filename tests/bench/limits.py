"""The machine at its best: AND and count the same planes, copy and sum memory."""

from __future__ import annotations

import numpy as np

from kernels.bits import plane_at, popcount
from kernels.jit import INT, INTS, WORDS, jit


@jit(WORDS, INTS, INTS, INT, INT, INT)
def and_and_count(addresses, offsets, sizes, first, last, n_words):
    """The bits set in the AND of every variant's planes, of two indicators or more."""
    total = np.uint64(0)
    digits = np.empty(sizes.size, np.int64)
    joined = np.empty((2, n_words), np.uint64)
    for variant in range(first, last):
        index = variant
        for axis in range(sizes.size - 1, -1, -1):
            digits[axis] = index % sizes[axis]
            index //= sizes[axis]
        left = plane_at(addresses[offsets[0] + digits[0]], n_words)
        for axis in range(1, sizes.size - 1):
            planes = plane_at(addresses[offsets[axis] + digits[axis]], n_words)
            for word in range(n_words):
                joined[0, word] = left[0, word] & planes[0, word]
                joined[1, word] = left[1, word] & planes[1, word]
            left = joined
        right = plane_at(addresses[offsets[-1] + digits[-1]], n_words)
        for word in range(n_words):
            total += popcount(left[0, word] & right[0, word])
            total += popcount(left[1, word] & right[1, word])
    return total


COPIED_BYTES = 256 << 20
"""Far more than any cache holds."""


class Memory:
    """Two blocks of memory: one is copied to the other, one is summed."""

    def __init__(self) -> None:
        self.source = np.ones(COPIED_BYTES // 8)
        self.target = np.zeros_like(self.source)

    def copy(self) -> None:
        np.copyto(self.target, self.source)

    def sum(self) -> float:
        return float(self.source.sum())
