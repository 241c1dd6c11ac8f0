"""The bars on which some variant of a search may enter: the only ones that its tables of stops are about.

A variant enters where all its indicators agree, which for any variants at all is where each indicator has a plane
with that bit. With an oscillator among them that is a tenth of the bars, and so of the tables' time and memory.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.bits import WORD_BITS, plane_at, popcount
from kernels.bits import words as words_of
from kernels.jit import INTS, PLANES_OUT, WORDS, inline, jit
from kernels.simulation.accounts import SHORT
from kernels.simulation.final_signals import EVERY, NONE, check_planes


class EntryBars(NamedTuple):
    """Marked bars; a table of a side has a row for each bar that is marked for it, in order."""

    marks: NDArray[np.uint64]
    """`(2, words)`: long, short."""
    before: NDArray[np.int64]
    """`(2, words)`: how many bars are marked before each word."""

    @classmethod
    def of(cls, marks: NDArray[np.uint64]) -> EntryBars:
        counts = np.bitwise_count(marks).astype(np.int64)
        return cls(marks, np.cumsum(counts, axis=1) - counts)

    @classmethod
    def every(cls, n_bars: int) -> EntryBars:
        """Each bar for both sides."""
        marks = np.full((2, words_of(n_bars)), EVERY)
        marks[:, -1] = EVERY >> np.uint64(-n_bars % WORD_BITS)
        return cls.of(marks)

    @classmethod
    def among(
        cls,
        addresses: NDArray[np.uint64],
        offsets: NDArray[np.int64],
        sizes: NDArray[np.int64],
        n_words: int,
    ) -> EntryBars:
        """Of all variants of these planes, each of so many words; one whose address is 0 is left out.

        Raises:
            ValueError: for indicators and a table of planes that do not go together.
        """
        check_planes(addresses, offsets, sizes)
        marks = np.empty((2, n_words), np.uint64)
        _mark(addresses, offsets, sizes, marks)
        return cls.of(marks)

    def rows(self, side: float) -> int:
        """Of a table of that side."""
        return int(np.bitwise_count(self.marks[int(side == SHORT)]).sum())


@jit(WORDS, INTS, INTS, PLANES_OUT)
def _mark(addresses, offsets, sizes, out):
    out[:] = EVERY
    some = np.empty_like(out)
    for axis in range(sizes.size):
        some[:] = NONE
        for place in range(offsets[axis], offsets[axis] + sizes[axis]):
            if addresses[place] != NONE:
                planes = plane_at(addresses[place], out.shape[1])
                for row in range(2):
                    for word in range(out.shape[1]):
                        some[row, word] |= planes[row, word]
        for row in range(2):
            for word in range(out.shape[1]):
                out[row, word] &= some[row, word]


@inline
def row_of(marks, before, side, bar):
    """The row of a bar in the tables of a side.

    Raises:
        ValueError: it is not marked; what lies there would be another bar's, or nobody's.
    """
    row = np.int64(side == SHORT)
    word, bit = bar // WORD_BITS, np.uint64(bar % WORD_BITS)
    if not marks[row, word] >> bit & np.uint64(1):
        raise ValueError("an entry on a bar that the tables of stops are not about")
    return before[row, word] + np.int64(popcount(marks[row, word] & ~(EVERY << bit)))
