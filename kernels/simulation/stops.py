"""The stop levels of a search, as its kernels take them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.jit import FLOATS, INT, WORDS, inline, record_of
from kernels.simulation.accounts import LONG_SHORT
from kernels.simulation.entry_bars import ENTRY_BARS, EntryBars
from kernels.simulation.first_passages import BLOCK_LEVELS


class Stops(NamedTuple):
    """The tables of `first_passages.passages` for some levels: of all stop-losses, then of all take-profits.

    Each kind's levels are cut into blocks of `BLOCK_LEVELS`, and a block has one table a side that the direction
    allows, long before short.
    """

    addresses: NDArray[np.uint64]
    """The tables' addresses, in this order."""
    stop_losses: int
    """The number of levels, as is `take_profits`; 0 for no such stop."""
    take_profits: int
    entry_bars: EntryBars
    """The bars that the tables have rows for."""
    levels_pct: NDArray[np.float64]
    """The levels in percent of the fill: of all stop-losses, then of all take-profits."""

    @property
    def combinations(self) -> int:
        return max(1, self.stop_losses) * max(1, self.take_profits)

    def check(self, direction: int) -> None:
        """
        Raises:
            ValueError: for another number of tables than the levels and the direction need.
        """
        if self.levels_pct.size != self.stop_losses + self.take_profits:
            raise ValueError(f"{self.levels_pct.size} levels of {self.stop_losses} and {self.take_profits}")
        blocks = -(-self.stop_losses // BLOCK_LEVELS) - (-self.take_profits // BLOCK_LEVELS)
        needed = blocks * (2 if direction == LONG_SHORT else 1)
        if self.addresses.size != needed:
            raise ValueError(f"{self.addresses.size} tables of first passages, {needed} needed")


STOPS = record_of(Stops, WORDS, INT, INT, ENTRY_BARS, FLOATS)
"""The compiled type of `Stops`."""


@inline
def combinations_of(stops):
    return max(1, stops.stop_losses) * max(1, stops.take_profits)


@inline
def levels_under(stops, combination):
    """The levels of a combination, NaN for none: stop-loss, take-profit."""
    stop_loss, take_profit = divmod(combination, max(1, stops.take_profits))
    levels = np.full(2, np.nan)
    if stops.stop_losses:
        levels[0] = stops.levels_pct[stop_loss]
    if stops.take_profits:
        levels[1] = stops.levels_pct[stops.stop_losses + take_profit]
    return levels


@inline
def end_rows(stops, combination):
    """The rows of the ends at a combination's stop-loss and take-profit; row 0 where there is no such level."""
    stop_loss, take_profit = divmod(combination, max(1, stops.take_profits))
    stop_row = 1 + stop_loss if stops.stop_losses else 0
    return stop_row, 1 + stops.stop_losses + take_profit if stops.take_profits else 0
