"""The steps of a search as pure functions over arrays: planes, rankings, tables of stops.

Each step is a function of its arguments alone, so that a grid may be cut into any ranges, run by any number of
workers and merged in any order, and still give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from candleray.backtests.phase import Phase
from candleray.candles import IntArray
from candleray.search.bars import Bars
from candleray.search.filled.order_fills import fills_of
from candleray.search.filled.volatility import true_ranges, volatilities
from candleray.search.indicator_grid import IndicatorVariant
from candleray.search.judged.verdicts import evidence_of, marks_of
from candleray.search.kernel_types import pruning_of, trading_rules
from candleray.search.ranges import ranges
from candleray.search.rankings import Ranking
from candleray.search.retraced import Retracing
from candleray.search.signals.evaluator import Evaluator
from candleray.search.signals.leaf_planes import leaf_planes
from candleray.search.stop_tables import PassageArray, Tables, stop_tables
from candleray.search.variants import VariantGrid
from kernels.bits import plane_addresses, words
from kernels.indicators import INDICATORS
from kernels.signals import PlaneSpec, build_planes
from kernels.simulation.entry_bars import EntryBars
from kernels.simulation.levels.first_passages import passages
from kernels.simulation.outcomes import Outcomes
from kernels.simulation.plane_grid import PlaneGrid
from kernels.simulation.prices import Prices
from kernels.simulation.under_stops import rank_combinations
from kernels.simulation.without_stops import rank_range

PlaneArray = NDArray[np.uint64]


def plane_of(bars: Bars, variant: IndicatorVariant, default_warmup: int) -> PlaneArray:
    """Return the long and short bits of one indicator variant over the range: uint64 `(2, words)`.

    Its warm-up depends on the variant alone, never on the rest of the grid.
    """
    spec = _plane_spec(bars, variant, default_warmup)
    plane: PlaneArray = build_planes(bars.candles.values, [spec], bars.start, bars.stop)[0]
    return plane


def planes_of(
    bars: Bars,
    grid: VariantGrid,
    first: int,
    last: int,
    default_warmup: int,
    evaluator: Evaluator | None = None,
) -> PlaneArray:
    """Return the planes `[first, last)` of the grid: uint64 `(last - first, rows, words)`.

    Args:
        evaluator: of these bars, which keeps the series that several calls read.
    """
    if grid.request.signals is not None:
        made = evaluator or Evaluator(bars, default_warmup)
        return planes_of_conditions(made, bars, grid, np.arange(first, last))
    specs = [_plane_spec(bars, grid.plane(index), default_warmup) for index in range(first, last)]
    return build_planes(bars.candles.values, specs, bars.start, bars.stop)


def planes_in(
    bars: Bars, grid: VariantGrid, parts: Sequence[tuple[int, int]], default_warmup: int
) -> list[PlaneArray]:
    """Return the planes of some ranges, ascending; those of a grid of signals are made together."""
    if grid.request.signals is None:
        return [planes_of(bars, grid, first, last, default_warmup) for first, last in parts]
    numbers = np.concatenate([np.arange(first, last) for first, last in parts])
    made = planes_of_conditions(Evaluator(bars, default_warmup), bars, grid, numbers)
    return np.split(made, np.cumsum([last - first for first, last in parts])[:-1])


def planes_of_conditions(evaluator: Evaluator, bars: Bars, grid: VariantGrid, numbers: IntArray) -> PlaneArray:
    """Return the planes of these numbers, ascending, of a grid of signals."""
    return leaf_planes(evaluator, grid.groups, numbers, words(bars.count))


def _plane_spec(bars: Bars, variant: IndicatorVariant, default_warmup: int) -> PlaneSpec:
    first = max(0, bars.start - max(default_warmup, variant.lookback_bars))
    return PlaneSpec(INDICATORS[variant.id], variant.inputs, variant.params, variant.signal, first)


def compile_planes(bars: Bars, grid: VariantGrid, default_warmup: int) -> None:
    """Compile all kernels that the planes of the grid need, by making some of them."""
    for offset, group in zip(grid.plane_offsets, grid.groups, strict=True):
        some = sorted({offset, offset + group.size - 1})
        if grid.request.signals is not None:
            # Together, as they are made: many comparisons have a kernel of their own.
            planes_of_conditions(Evaluator(bars, default_warmup), bars, grid, np.array(some))
            continue
        for index in some:
            planes_of(bars, grid, index, index + 1, default_warmup)


@dataclass(frozen=True)
class Planes:
    """Every plane of a grid, in chunks that stay where they are: a table of addresses stands for the copy."""

    chunks: Sequence[PlaneArray]
    addresses: NDArray[np.uint64]

    @staticmethod
    def over(chunks: Sequence[PlaneArray]) -> Planes:
        return Planes(chunks, plane_addresses(list(chunks)))

    def plane(self, number: int) -> PlaneArray:
        """Return the plane of that number, the chunks' planes counted one after the other."""
        for chunk in self.chunks:
            if number < len(chunk):
                plane: PlaneArray = chunk[number]
                return plane
            number -= len(chunk)
        raise IndexError("there are fewer planes")

    def plane_grid(self, grid: VariantGrid) -> PlaneGrid:
        """Return the planes of each indicator, as the kernels take them."""
        offsets, sizes = np.array(grid.plane_offsets, np.int64), np.array(grid.radix.sizes, np.int64)
        return PlaneGrid(self.addresses, offsets, sizes, grid.numbering.program)

    def entry_bars(self, grid: VariantGrid) -> EntryBars:
        """Return the bars on which some variant of the grid may enter."""
        return EntryBars.among(self.plane_grid(grid), self.chunks[0].shape[2])


def stage_a_keeps(grid: VariantGrid) -> int:
    """Return how many of the best Stage A keeps: the answer, or the shortlist and the best that it cuts."""
    return grid.kept + 1 if grid.has_stage_b else grid.request.top_k or 1


CHUNK = 50_000
"""Variants ranked at once: their arrays stay in the cache, and memory does not grow with their number."""


def _by_chunks(first: int, last: int, keep: int, rank: Callable[[int, int], Ranking]) -> Ranking:
    ranking = Ranking.empty()
    count = last - first
    # If `keep` exceeds a chunk, merging chunk by chunk would sort everything again each time.
    for begin, end in ranges(count, -(-count // max(CHUNK, keep))):
        ranking = ranking.merged(rank(first + begin, first + end), keep)
    return ranking


Scoring: TypeAlias = Callable[[Ranking, PlaneGrid, Outcomes, int, IntArray | None], Ranking]


def _scoring(bars: Bars, grid: VariantGrid, planes: Planes, tables: Tables | None, prices: Prices) -> Scoring:
    """Return what gives variants the scores that they rank by: nothing where that is the total return."""
    if grid.request.rank_by is None:
        return lambda ranking, *_: ranking
    return Retracing.of(bars, grid, planes.addresses, tables, prices).scored


def prices_of(bars: Bars, grid: VariantGrid) -> Prices:
    """Return the prices that all variants share; a caller that ranks many small parts passes them on."""
    fills = fills_of(bars, grid.request, looks_inside=grid.looks_inside)
    known = true_ranges(bars, grid.request.risk), volatilities(bars, grid.request.sizing)
    return Prices.over(bars.close, trading_rules(grid.request).slippage, bars.gaps, fills, *known)


def outcomes_of(
    bars: Bars, grid: VariantGrid, planes: PlaneGrid, first: int, last: int, prices: Prices
) -> Outcomes:
    """Simulate the base variants `[first, last)` without stops."""
    outcomes = Outcomes.for_variants(last - first, marks_of(grid, Phase.STAGE_A, bars.count))
    # Without its stops a variant is another one: what it would be pruned for then says nothing.
    pruning = None if grid.has_stage_b else pruning_of(grid.request, bars.ts_open_ms, bars.bar_ms)
    rank_range(planes, first, prices, trading_rules(grid.request), outcomes, pruning)
    return outcomes


def rank_variants(
    bars: Bars, grid: VariantGrid, planes: Planes, first: int, last: int, prices: Prices | None = None
) -> Ranking:
    """Rank the base variants `[first, last)` without stops (Stage A)."""
    shared, own = prices or prices_of(bars, grid), planes.plane_grid(grid)

    def rank(first: int, last: int) -> Ranking:
        outcomes = outcomes_of(bars, grid, own, first, last, shared)
        numbers = np.arange(first, last)
        evidence = evidence_of(outcomes, numbers, bars.count, grid.radix.size)
        ranking = Ranking(numbers, outcomes.total_return_pct, outcomes.conflicts, evidence=evidence)
        return scored(ranking.without(outcomes.fates), own, outcomes, first, None)

    scored = _scoring(bars, grid, planes, None, shared)
    return _by_chunks(first, last, stage_a_keeps(grid), rank)


def tables_of(bars: Bars, grid: VariantGrid, entries: EntryBars, numbers: Sequence[int]) -> list[PassageArray]:
    """Make the tables of these numbers, among those that the grid needs."""
    tables = stop_tables(grid)
    slippage = trading_rules(grid.request).slippage
    return passages(prices_of(bars, grid), slippage, [tables[number] for number in numbers], entries)


def all_tables(bars: Bars, grid: VariantGrid, planes: Planes) -> Tables:
    """Make every table that the grid needs."""
    entries = planes.entry_bars(grid)
    return Tables.over(grid, tables_of(bars, grid, entries, range(len(stop_tables(grid)))), entries)


def outcomes_under(
    bars: Bars,
    grid: VariantGrid,
    planes: PlaneGrid,
    tables: Tables,
    bases: IntArray,
    first: int,
    last: int,
    prices: Prices,
) -> Outcomes:
    """Simulate the variants `[first, last)` of these base variants under all combinations."""
    outcomes = Outcomes.for_variants(last - first, marks_of(grid, Phase.STAGE_B, bars.count))
    pruning = pruning_of(grid.request, bars.ts_open_ms, bars.bar_ms)
    rank_combinations(planes, bases, tables.stops, first, prices, trading_rules(grid.request), outcomes, pruning)
    return outcomes


def rank_under_stops(
    bars: Bars,
    grid: VariantGrid,
    planes: Planes,
    tables: Tables,
    bases: IntArray | range,
    first: int,
    last: int,
    prices: Prices | None = None,
) -> Ranking:
    """Rank the variants `[first, last)` of these base variants under all combinations (Stage B).

    The best `top_k` are kept; the variants of one base follow those of the base before it.
    """
    shared, own = prices or prices_of(bars, grid), planes.plane_grid(grid)

    def rank(first: int, last: int) -> Ranking:
        count, each = last - first, grid.combinations.size
        chosen = np.asarray(bases[first // each : -(-last // each)], np.int64)
        offset = first % each
        at = np.arange(offset, offset + count)
        outcomes = outcomes_under(bars, grid, own, tables, chosen, offset, offset + count, shared)
        numbers = chosen[at // each] * each + at % each
        evidence = evidence_of(outcomes, numbers, bars.count, grid.size)
        ranking = Ranking(numbers, outcomes.total_return_pct, outcomes.conflicts, evidence=evidence)
        return scored(ranking.without(outcomes.fates), own, outcomes, offset, chosen)

    scored = _scoring(bars, grid, planes, tables, shared)
    return _by_chunks(first, last, grid.request.top_k or 1, rank)
