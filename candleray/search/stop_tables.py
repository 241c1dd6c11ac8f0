"""Stop levels in a search: their tables, and the base variants that are tried under them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from candleray.backtests.request import Direction
from candleray.backtests.result import Shortlist
from candleray.candles import IntArray
from candleray.search.rankings import Ranking
from candleray.search.variants import VariantGrid
from kernels.bits import row_addresses
from kernels.simulation.accounts import LONG, SHORT
from kernels.simulation.entry_bars import EntryBars
from kernels.simulation.first_passages import BLOCK_LEVELS, STOP_LOSS, TAKE_PROFIT, StopTable
from kernels.simulation.stops import Stops

PassageArray = NDArray[np.int32]

_SIDES = {Direction.LONG_ONLY: (LONG,), Direction.SHORT_ONLY: (SHORT,), Direction.LONG_SHORT: (LONG, SHORT)}


def stop_tables(grid: VariantGrid) -> list[StopTable]:
    """Return the tables that a grid needs, in the order of `kernels.simulation.stops.Stops`."""
    return [
        StopTable(side, kind, tuple(axis.at(at) for at in range(first, min(first + BLOCK_LEVELS, axis.count))))
        for kind, axis in ((STOP_LOSS, grid.stop_losses), (TAKE_PROFIT, grid.take_profits))
        if axis is not None
        for first in range(0, axis.count, BLOCK_LEVELS)
        for side in _SIDES[grid.request.direction]
    ]


def table_parts(grid: VariantGrid, parts: int) -> list[list[int]]:
    """Deal the numbers of all tables out to so many parts of about as many levels, or to fewer.

    Tables that share a pass over the bars come one after the other: where there are enough of them for two parts,
    none makes both passes.
    """
    tables = stop_tables(grid)
    order = sorted(range(len(tables)), key=lambda number: tables[number].towards)
    levels = np.array([len(tables[number].levels_pct) for number in order])
    middles = np.cumsum(levels) - levels / 2
    part_of = dict(zip(order, (middles * parts // levels.sum()).tolist(), strict=True))
    return [[number for number in order if part_of[number] == part] for part in sorted(set(part_of.values()))]


@dataclass(frozen=True)
class Tables:
    """Every table of a grid, which stay where they are: addresses stand for the copy."""

    chunks: Sequence[PassageArray]
    stops: Stops

    @staticmethod
    def over(grid: VariantGrid, chunks: Sequence[PassageArray], entries: EntryBars) -> Tables:
        losses, profits = grid.stop_losses, grid.take_profits
        levels = [axis.at(place) for axis in (losses, profits) if axis is not None for place in range(axis.count)]
        return Tables(
            chunks,
            Stops(
                row_addresses([chunk[None] for chunk in chunks]),
                0 if losses is None else losses.count,
                0 if profits is None else profits.count,
                entries,
                np.array(levels, np.float64),
            ),
        )


def shortlisted(grid: VariantGrid, ranking: Ranking) -> tuple[IntArray | range, Shortlist]:
    """Return the base variants of Stage B, ascending, and the shortlist as the answer describes it.

    Args:
        ranking: the best `grid.kept + 1` base variants without stops; empty where all are kept.
    """
    base_variants, kept = grid.radix.size, grid.kept
    if kept == base_variants:
        return range(base_variants), Shortlist(
            base_variants=base_variants,
            kept=kept,
            cut=0,
            best_cut_return_pct=None,
            worst_kept_return_pct=None,
            exact=True,
        )
    return np.sort(ranking.index[:kept]), Shortlist(
        base_variants=base_variants,
        kept=kept,
        cut=base_variants - kept,
        best_cut_return_pct=float(ranking.total_return_pct[kept]),
        worst_kept_return_pct=float(ranking.total_return_pct[kept - 1]),
        exact=False,
    )
