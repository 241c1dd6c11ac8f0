"""The levels of a search that end positions before their signals do, as its kernels take them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.jit import FLOATS, INTS, WORDS, inline, record_of
from kernels.simulation.accounts import LONG_SHORT
from kernels.simulation.entry_bars import ENTRY_BARS, EntryBars
from kernels.simulation.exits import KINDS, LOSING_KINDS, MAX_BARS
from kernels.simulation.levels.first_passages import BLOCK_LEVELS
from kernels.simulation.levels.sizes import OF_RULES, SIZES, Sizes, size_count


class Stops(NamedTuple):
    """The tables of `first_passages.passages` for the levels of each kind, one kind after the other.

    Each kind's levels are cut into blocks of `BLOCK_LEVELS`, and a block has one table a side that the direction
    allows, long before short. `MAX_BARS` needs none: its levels are numbers of bars.
    """

    addresses: NDArray[np.uint64]
    """The tables' addresses, in this order."""
    counts: NDArray[np.int64]
    """The number of levels of each kind."""
    kinds: NDArray[np.int64]
    """The kind of each level, of all kinds one after the other."""
    levels: NDArray[np.float64]
    """The levels, in the same order."""
    entry_bars: EntryBars
    """The bars that the tables have rows for."""
    sizes: Sizes
    """The sizes that each combination of levels is tried with."""

    @classmethod
    def of(
        cls,
        addresses: NDArray[np.uint64],
        levels: Mapping[int, Sequence[float]],
        entry_bars: EntryBars,
        sizes: Sizes | None = None,
    ) -> Stops:
        """
        Args:
            levels: by kind; of a kind that is left out there are none.
            sizes: those of the rules of the account alone where left out.
        """
        counts = np.array([len(levels.get(kind, ())) for kind in range(KINDS)], np.int64)
        every = [level for kind in range(KINDS) for level in levels.get(kind, ())]
        kinds, own = np.repeat(np.arange(KINDS), counts), sizes or Sizes.of_rules()
        return cls(addresses, counts, kinds, np.array(every, np.float64), entry_bars, own)

    @property
    def combinations(self) -> int:
        return int(np.maximum(1, self.counts).prod()) * self.sizes.each

    def check(self, direction: int) -> None:
        """
        Raises:
            ValueError: for another number of tables than the levels and the direction need.
        """
        if self.counts.size != KINDS or not self.levels.size == self.kinds.size == self.counts.sum():
            raise ValueError(f"{self.levels.size} levels of {self.counts.tolist()}")
        with_tables = np.delete(self.counts, MAX_BARS)
        needed = int((-(-with_tables // BLOCK_LEVELS)).sum()) * (2 if direction == LONG_SHORT else 1)
        if self.addresses.size != needed:
            raise ValueError(f"{self.addresses.size} tables of first passages, {needed} needed")


STOPS = record_of(Stops, WORDS, INTS, INTS, FLOATS, ENTRY_BARS, SIZES)
"""The compiled type of `Stops`."""


@inline
def _rows_of(counts, first, stop):
    """The choices of one level of each of these kinds that has any; 0 where none has."""
    rows, has_any = 1, 0
    for kind in range(first, stop):
        if counts[kind] > 0:
            rows, has_any = rows * counts[kind], 1
    return rows * has_any


@inline
def losing_rows(counts):
    """The number of choices of levels that hold back losses or time."""
    return _rows_of(counts, 0, LOSING_KINDS)


@inline
def profit_rows(counts):
    """The number of choices of levels that take profits."""
    return _rows_of(counts, LOSING_KINDS, KINDS)


@inline
def combinations_of(stops):
    """The combinations of levels and sizes; sizes are the fastest digit."""
    return max(1, losing_rows(stops.counts)) * max(1, profit_rows(stops.counts)) * size_count(stops.sizes)


@inline
def levels_of(stops, combination):
    """The number of a combination's choice of levels, whatever its size."""
    return combination // size_count(stops.sizes)


@inline
def part_of(stops, combination):
    """The part that a combination's size is; infinite where the rules size it alone."""
    sizes = stops.sizes
    return sizes.parts[combination % size_count(sizes)] if sizes.measure != OF_RULES else math.inf


@inline
def end_rows(counts, choice):
    """The rows of the ends under a choice of levels, losses before profits; row 0 where it has no such level."""
    losses, profits = losing_rows(counts), profit_rows(counts)
    loss, profit = divmod(choice, max(1, profits))
    return 1 + loss if losses else 0, 1 + losses + profit if profits else 0


class OneOfEach(NamedTuple):
    """The levels of one choice, one of each kind that has any, as `Stops` names those of all."""

    counts: NDArray[np.int64]
    kinds: NDArray[np.int64]
    levels: NDArray[np.float64]


@inline
def one_of_each(stops, choice):
    """The levels of a choice, and the place of each among those of its kind."""
    chosen, counts = np.zeros(KINDS, np.int64), np.zeros(KINDS, np.int64)
    left, some, behind = choice, 0, stops.levels.size
    kinds, levels = np.empty(KINDS, np.int64), np.empty(KINDS)
    for kind in range(KINDS - 1, -1, -1):
        if stops.counts[kind] > 0:
            left, chosen[kind] = divmod(left, stops.counts[kind])
            behind -= stops.counts[kind]
            some += 1
            counts[kind], kinds[KINDS - some] = 1, kind
            levels[KINDS - some] = stops.levels[behind + chosen[kind]]
    return OneOfEach(counts, kinds[KINDS - some :], levels[KINDS - some :]), chosen
