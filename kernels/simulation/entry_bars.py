"""The bars on which some variant of a search may enter; tables of stops hold no others.

A variant enters where all its indicators agree. So some variant may enter on a bar where each indicator has a
plane with that bit. With an oscillator among the indicators that is a tenth of the bars, and so of the tables'
time and memory.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.bits import WORD_BITS, plane_at, popcount
from kernels.bits import words as words_of
from kernels.jit import INT_ROWS, WORD_ROWS, WORD_ROWS_OUT, inline, jit, record_of
from kernels.simulation.accounts import SHORT
from kernels.simulation.final_signals import EVERY, NONE
from kernels.simulation.plane_grid import PLANE_GRID, PlaneGrid, address_of
from kernels.simulation.programs import ABSENT, AND, LEAF


class EntryBars(NamedTuple):
    """Marked bars; the tables of a side have a row for each bar that is marked for it, in order."""

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
        """Every bar, for both sides."""
        marks = np.full((2, words_of(n_bars)), EVERY)
        marks[:, -1] = EVERY >> np.uint64(-n_bars % WORD_BITS)
        return cls.of(marks)

    @classmethod
    def among(cls, planes: PlaneGrid, n_words: int) -> EntryBars:
        """The bars of all variants of a grid, whose planes have so many words; a plane at address 0 is left out.

        Raises:
            ValueError: for indicators and a table of planes that do not go together.
        """
        planes.check()
        marks = np.empty((2, n_words), np.uint64)
        if planes.program.roots.size:
            some = np.empty((planes.program.nodes.shape[0], n_words), np.uint64)
            _mark_program(planes, some, marks)
        else:
            _mark(planes, marks)
        return cls.of(marks)

    def rows(self, side: float) -> int:
        """The number of rows of a table of that side."""
        return int(np.bitwise_count(self.marks[int(side == SHORT)]).sum())


ENTRY_BARS = record_of(EntryBars, WORD_ROWS, INT_ROWS)
"""The compiled type of `EntryBars`."""


@jit(PLANE_GRID, WORD_ROWS_OUT)
def _mark(planes, out):
    out[:] = EVERY
    some = np.empty_like(out)
    for axis in range(planes.sizes.size):
        some[:] = NONE
        for digit in range(planes.sizes[axis]):
            address = address_of(planes, axis, digit)
            if address != NONE:
                plane = plane_at(address, out.shape[1])
                for row in range(2):
                    for word in range(out.shape[1]):
                        some[row, word] |= plane[row, word]
        for row in range(2):
            for word in range(out.shape[1]):
                out[row, word] &= some[row, word]


@jit(PLANE_GRID, WORD_ROWS_OUT, WORD_ROWS_OUT)
def _mark_program(planes, some, out):
    """Join the bars on which some variant has each leaf: no variant's entries are on others."""
    program = planes.program
    for node in range(some.shape[0]):
        kind, left, right = program.nodes[node, 0], program.nodes[node, 1], program.nodes[node, 2]
        if kind == LEAF:
            some[node] = NONE
            last = planes.offsets[left + 1] if left + 1 < planes.offsets.size else planes.addresses.size
            for place in range(planes.offsets[left], last):
                if planes.addresses[place] != NONE:
                    pair = plane_at(planes.addresses[place], some.shape[1])
                    for word in range(some.shape[1]):
                        some[node, word] |= pair[right, word]
        else:
            for word in range(some.shape[1]):
                one, other = some[left, word], some[right, word]
                some[node, word] = one & other if kind == AND else one | other
    for row in range(2):
        root = program.roots[row]
        for word in range(out.shape[1]):
            out[row, word] = NONE if root == ABSENT else some[root, word]


@inline
def row_of(entry_bars, side, bar):
    """The row of a bar in the tables of a side.

    Raises:
        ValueError: for a bar that is not marked; its row would be that of another bar, or outside the table.
    """
    row = np.int64(side == SHORT)
    word, bit = bar // WORD_BITS, np.uint64(bar % WORD_BITS)
    marks = entry_bars.marks[row, word]
    if not marks >> bit & np.uint64(1):
        raise ValueError("an entry on a bar that the tables of stops have no row for")
    return entry_bars.before[row, word] + np.int64(popcount(marks & ~(EVERY << bit)))
