"""Stop levels in a search: their tables, and the base variants that are tried under them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from candleray.backtests.request import Direction
from candleray.backtests.result import Shortlist
from candleray.backtests.rules.sizing import Measure
from candleray.candles import IntArray
from candleray.search.rankings import Ranking
from candleray.search.variants import VariantGrid
from kernels.bits import row_addresses
from kernels.simulation.accounts import LONG, SHORT
from kernels.simulation.entry_bars import EntryBars
from kernels.simulation.exits import MAX_BARS, SL_ATR, SL_PCT, TP_ATR, TP_PCT, TRAIL_PCT
from kernels.simulation.levels import sizes as kernel_sizes
from kernels.simulation.levels.first_passages import BLOCK_LEVELS, StopTable
from kernels.simulation.levels.stops import Stops

PassageArray = NDArray[np.int32]

_KINDS = {
    **{"sl_pct": SL_PCT, "sl_atr": SL_ATR, "trail_pct": TRAIL_PCT, "max_bars": MAX_BARS},
    **{"tp_pct": TP_PCT, "tp_atr": TP_ATR},
}
_MEASURES: dict[Measure, int] = {
    "rules": kernel_sizes.OF_RULES,
    "loss": kernel_sizes.OF_LOSS,
    "volatility": kernel_sizes.OF_VOLATILITY,
}
_SIDES = {Direction.LONG_ONLY: (LONG,), Direction.SHORT_ONLY: (SHORT,), Direction.LONG_SHORT: (LONG, SHORT)}


def stop_tables(grid: VariantGrid) -> list[StopTable]:
    """Return the tables that a grid needs, in the order of `kernels.simulation.levels.stops.Stops`."""
    return [
        StopTable(side, kind, tuple(of_kind[first : first + BLOCK_LEVELS]))
        for kind, of_kind in _levels_of(grid).items()
        if kind != MAX_BARS
        for first in range(0, len(of_kind), BLOCK_LEVELS)
        for side in _SIDES[grid.request.direction]
    ]


def _levels_of(grid: VariantGrid) -> dict[int, list[float]]:
    """Return the levels of each kind that a grid has, by the kernels' numbers of kinds."""
    return {_KINDS[name]: [axis.at(at) for at in range(axis.count)] for name, axis in grid.levels.items()}


def measured(grid: VariantGrid) -> tuple[kernel_sizes.Measure, float]:
    """Return the measure of a grid's first variant, as the kernels take it, and the part that its size is."""
    sizes, risk = _sizes_of(grid), grid.risk(0)
    stops = (risk.get("sl_pct"), risk.get("sl_atr"))
    measure = kernel_sizes.Measure(
        sizes.measure, *(math.nan if level is None else float(level) for level in stops)
    )
    return measure, float(sizes.parts[0]) if sizes.parts.size else math.inf


def _sizes_of(grid: VariantGrid) -> kernel_sizes.Sizes:
    parts = [axis.at(at) / 100.0 for axis in grid.sizes.values() for at in range(axis.count)]
    sizing = grid.request.sizing
    return kernel_sizes.Sizes(_MEASURES[sizing.measure], np.array(parts, np.float64), sizing.leverage)


def table_parts(grid: VariantGrid, parts: int) -> list[list[int]]:
    """Deal the numbers of all tables out to so many parts of about as many levels, or to fewer.

    Tables that share a pass over the bars come one after the other: where there are enough of them for two parts,
    none makes both passes.
    """
    tables = stop_tables(grid)
    order = sorted(range(len(tables)), key=lambda number: tables[number].towards)
    levels = np.array([len(tables[number].levels) for number in order])
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
        addresses = row_addresses([chunk[None] for chunk in chunks])
        return Tables(chunks, Stops.of(addresses, _levels_of(grid), entries, _sizes_of(grid)))


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
