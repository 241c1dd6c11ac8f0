"""The costs of a search, measured on a sample of it: nothing here is a constant of some other machine.

A cost differs a hundredfold with the trades of a variant, so the sample is spread over the whole grid: runs of
neighbours, which share partial results as they do in the search.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from candleray.backtests.axes import Axis, Values
from candleray.backtests.phase import Phase
from candleray.backtests.rules.risk import Risk
from candleray.backtests.rules.sizing import AllIn
from candleray.candles import IntArray
from candleray.search import engine
from candleray.search.bars import Bars
from candleray.search.engine import PlaneArray, Planes
from candleray.search.ranges import ranges
from candleray.search.rankings import Ranking
from candleray.search.reports import report_variants
from candleray.search.retraced import Retracing
from candleray.search.signals.evaluator import Evaluator
from candleray.search.signals.leaf_planes import compared_series
from candleray.search.stop_tables import Tables
from candleray.search.variants import VariantGrid
from kernels.simulation.prices import Prices

SIGNAL_RUNS = (24, 32)
STOP_RUNS = (48, 8)
"""Runs of neighbours, and how many there are in each. Of five grids whose every trade was counted, the mean cost
of the first was within 7 % of the true one, of the second within 2 %."""
SOME_LEVELS = (4, 2, 1, 1, 1, 1)
MORE_LEVELS = (8, 8, 1, 1, 1, 1)
"""Numbers of stop-losses and of take-profits: two grids, which differ in whole blocks of
`kernels.simulation.stop_walks.LANES`."""
SAMPLED_REPORTS = 4
SCORED = 8
"""Variants of a run whose scores are timed; with stops, combinations from the middle of a base variant's."""


@dataclass(frozen=True)
class SignalCosts:
    """Seconds of one core for what does not know of stops."""

    plane_s: float
    """All planes."""
    variant_s: float
    """One base variant without stops."""
    report_s: float
    """One report."""
    weights: tuple[float, ...] = (1.0,)
    """Cost of a base variant in each equal part of the grid, over that of one on average."""
    plane_each_s: tuple[float, ...] = ()
    """One plane of each indicator; empty where it is not known."""
    score_s: float = 0.0
    """The part of `variant_s` that ranking by another metric than the total return takes."""


@dataclass(frozen=True)
class StopCosts:
    """Seconds of one core for what stops add."""

    table_s: float = 0.0
    """All tables of first passages."""
    base_s: float = 0.0
    """The work that a base variant's combinations share."""
    combination_s: float = 0.0
    weights: tuple[float, ...] = (1.0,)
    """The same as `SignalCosts.weights`, under stops."""
    score_s: float = 0.0
    """The same as `SignalCosts.score_s`, in `combination_s`."""


@dataclass(frozen=True)
class Costs:
    """Seconds of one core for a whole search."""

    signals: SignalCosts
    stops: StopCosts = StopCosts()

    def stage_a_s(self, grid: VariantGrid) -> float:
        return grid.radix.size * self.signals.variant_s if grid.needs_stage_a else 0.0

    def stage_b_s(self, grid: VariantGrid) -> float:
        if not grid.has_stage_b:
            return 0.0
        return grid.kept * (self.stops.base_s + grid.combinations.size * self.stops.combination_s)

    def reports_s(self, grid: VariantGrid) -> float:
        return min(grid.request.top_k or 1, grid.evaluated) * self.signals.report_s

    def by_phase(self, grid: VariantGrid) -> dict[Phase, float]:
        walks = 0 if grid.request.luck is None else grid.request.luck.walks
        own = self.of_a_history(grid)
        return own | ({Phase.LUCK: walks * sum(own.values())} if walks else {})

    def of_a_history(self, grid: VariantGrid) -> dict[Phase, float]:
        """Return the seconds of the phases that are made over one history: the candles, or one of chance."""
        return {
            Phase.PLANES: self.signals.plane_s,
            Phase.STAGE_A: self.stage_a_s(grid),
            Phase.TABLES: self.stops.table_s,
            Phase.STAGE_B: self.stage_b_s(grid),
            Phase.REPORTS: self.reports_s(grid),
        }

    def by_total_return(self) -> Costs:
        """Return the costs of the same search ranked by total return."""
        signals = replace(self.signals, variant_s=self.signals.variant_s - self.signals.score_s)
        stops = replace(self.stops, combination_s=self.stops.combination_s - self.stops.score_s)
        return Costs(signals, stops)

    def total_s(self, grid: VariantGrid) -> float:
        """The whole search on one core."""
        return sum(self.by_phase(grid).values())


def measure_signals(bars: Bars, grid: VariantGrid, default_warmup: int) -> SignalCosts:
    """Measure in some tenths of a second, however large the grid is."""
    sample, plane_each_s = _sample(bars, grid, SIGNAL_RUNS, default_warmup)
    plane_s = sum(each_s * one.size for each_s, one in zip(plane_each_s, grid.groups, strict=True))
    scores_s = sample.scores_s(_bare(grid), sample.runs, None)
    each_s = [sample.variant_s(*run) + score_s for run, score_s in zip(sample.runs, scores_s, strict=True)]
    variant_s, weights = _spread_over(each_s)
    return SignalCosts(plane_s, variant_s, _report_s(sample), weights, plane_each_s, _mean(scores_s))


def measure_stops(bars: Bars, grid: VariantGrid, default_warmup: int) -> StopCosts:
    """Measure a few levels, in as much time; nothing where there are no stops."""
    if not grid.has_stage_b:
        return StopCosts()
    sample, _ = _sample(bars, grid, STOP_RUNS, default_warmup)
    some, more = (with_levels(sample.grid, levels) for levels in (SOME_LEVELS, MORE_LEVELS))
    some_tables, some_tables_s = _timed_tables(bars, some, sample.planes)
    more_tables, more_tables_s = _timed_tables(bars, more, sample.planes)
    table_s = _table_s((_levels(some), some_tables_s), (_levels(more), more_tables_s), _levels(grid))
    if grid.needs_stage_a:
        # The best trade otherwise than the others, mostly less.
        groups = [np.sort(sample.best(grid.kept).index)]
    else:
        groups = [np.arange(*run) for run in sample.runs]
    some_s = [sample.under_stops_s(some, some_tables, bases) for bases in groups]
    more_s = [sample.under_stops_s(more, more_tables, bases) for bases in groups]
    sizes = some.combinations.size, more.combinations.size
    ends = [(int(bases[0]), int(bases[-1]) + 1) for bases in groups]
    scores_s = sample.scores_s(with_levels(grid, MORE_LEVELS), ends, more_tables)
    costs = [
        (base_s, each_s + score_s)
        for (base_s, each_s), score_s in zip(
            (_base_and_combination_s(*seconds, *sizes) for seconds in zip(some_s, more_s, strict=True)),
            scores_s,
            strict=True,
        )
    ]
    _, weights = _spread_over([base_s + each_s * grid.combinations.size for base_s, each_s in costs])
    base_s, combination_s = (sum(seconds) / len(costs) for seconds in zip(*costs, strict=True))
    return StopCosts(table_s, base_s, combination_s, weights, _mean(scores_s))


def _mean(seconds: Sequence[float]) -> float:
    return sum(seconds) / len(seconds)


def _base_and_combination_s(some_s: float, more_s: float, some: int, more: int) -> tuple[float, float]:
    """Seconds of what a base variant's combinations share, and of one of them, from those of some and of more."""
    if some == more:
        return 0.0, more_s / more
    combination_s = max(0.0, more_s - some_s) / (more - some)
    return max(0.0, more_s - combination_s * more), combination_s


@dataclass(frozen=True)
class _Sample:
    """Ranges of base variants, one in each of some equal parts of the grid, and the planes that they need."""

    bars: Bars
    grid: VariantGrid
    """The grid as it would be ranked by total return: other scores are timed apart, of fewer variants."""
    runs: Sequence[tuple[int, int]]
    planes: Planes
    prices: Prices

    def variant_s(self, first: int, last: int) -> float:
        """Seconds of one base variant of the run, as one of many: a call costs as much as twenty of them."""
        half = (first + last) // 2
        return self._added_s(self._rank, first, half, last) / (last - half)

    def under_stops_s(self, few: VariantGrid, tables: Tables, bases: IntArray) -> float:
        """Seconds of one of these under all combinations of a grid of a few levels, as one of many."""
        rank = partial(engine.rank_under_stops, self.bars, few, self.planes, tables, bases, prices=self.prices)
        return self._added_s(rank, 0, 0, len(bases) * few.combinations.size) / max(1, len(bases))

    def scores_s(self, grid: VariantGrid, ranges: Sequence[tuple[int, int]], tables: Tables | None) -> list[float]:
        """Seconds of the score of one variant in each range of base variants; none where the total return ranks.

        Args:
            grid: the one whose metric ranks, with the levels of the tables.
        """
        if grid.request.rank_by is None:
            return [0.0] * len(ranges)
        retracing = Retracing.of(self.bars, grid, self.planes.addresses, tables, self.prices)
        return [self._score_s(retracing, *bounds) for bounds in ranges]

    def _score_s(self, retracing: Retracing, first: int, last: int) -> float:
        """Seconds of the score of one of some variants of a range; they are traced together, as all would be."""
        planes = self.planes.plane_grid(retracing.grid)
        if retracing.tables is None:
            begin, count, bases = first, min(SCORED, last - first), None
            outcomes = engine.outcomes_of(self.bars, retracing.grid, planes, begin, begin + count, self.prices)
        else:
            each, bases = retracing.grid.combinations.size, np.array([first])
            begin, count = each // 2, min(SCORED, each - each // 2)
            outcomes = engine.outcomes_under(
                *(self.bars, retracing.grid, planes, retracing.tables, bases, begin, begin + count, self.prices)
            )
        unscored = Ranking(np.arange(count), outcomes.total_return_pct, outcomes.conflicts)
        kept = unscored.without(outcomes.fates)
        return _fastest(partial(retracing.scored, kept, planes, outcomes, begin, bases)) / count

    def best(self, kept: int) -> Ranking:
        """Return as many of the sample's best as the search keeps of all, in proportion; a few at least."""
        size = sum(last - first for first, last in self.runs)
        ranking = Ranking.empty()
        for run in self.runs:
            ranking = ranking.merged(self._rank(*run), size)
        return ranking.between(0, max(SAMPLED_REPORTS, size * kept // self.grid.radix.size))

    def _rank(self, first: int, last: int) -> Ranking:
        return engine.rank_variants(self.bars, self.grid, self.planes, first, last, self.prices)

    @staticmethod
    def _added_s(rank: Callable[[int, int], object], first: int, middle: int, last: int) -> float:
        """Return the seconds that the second part of a range adds to the first."""
        whole_s, part_s = _fastest(lambda: rank(first, last)), _fastest(lambda: rank(first, middle))
        # A neighbour may have disturbed the shorter one: it must not make the work nothing.
        return max(whole_s - part_s, 0.2 * whole_s * (last - middle) / (last - first))


def _sample(
    bars: Bars, grid: VariantGrid, wanted: tuple[int, int], default_warmup: int
) -> tuple[_Sample, tuple[float, ...]]:
    """Take a sample, and the seconds of a plane of each indicator."""
    runs = _sampled_runs(grid, *wanted)
    planes, plane_each_s = _sampled_planes(bars, grid, runs, default_warmup)
    by_total_return = VariantGrid(grid.request.model_copy(update={"rank_by": None}))
    return _Sample(bars, by_total_return, runs, planes, engine.prices_of(bars, grid)), plane_each_s


def _spread_over(each_s: Sequence[float]) -> tuple[float, tuple[float, ...]]:
    """The mean, and each over it."""
    mean_s = sum(each_s) / len(each_s)
    return mean_s, tuple(one_s / mean_s for one_s in each_s)


def _report_s(sample: _Sample) -> float:
    """One report, of the best base variants: with stops they have hardly other trades."""
    best = sample.best(0)
    if not len(best):
        return 0.0  # all pruned
    report = partial(report_variants, sample.bars, _bare(sample.grid), sample.planes, best, 1)
    return _fastest(report) / len(best)


def _bare(grid: VariantGrid) -> VariantGrid:
    """Return the grid without stop levels, and without the sizes that are measured by them."""
    bare = {"risk": Risk(), **({"sizing": AllIn()} if grid.sizes else {})}
    return VariantGrid(grid.request.model_copy(update=bare))


def _sampled_runs(grid: VariantGrid, count: int, length: int) -> list[tuple[int, int]]:
    """Ranges of base variants, one in each of as many equal parts of the grid, not all at the same digits."""
    parts = list(ranges(grid.radix.size, count))
    runs = []
    for number, (first, last) in enumerate(parts):
        # The golden ratio spreads the starts evenly over the parts, whatever the axes' sizes are.
        place = (0.5 + number * 0.6180339887) % 1
        start = first + int(place * max(0, last - first - length + 1))
        runs.append((start, min(start + length, last)))
    return runs


def _sampled_planes(
    bars: Bars, grid: VariantGrid, runs: Sequence[tuple[int, int]], default_warmup: int
) -> tuple[Planes, tuple[float, ...]]:
    """The planes that the runs need, the others absent; and the seconds of one of each indicator."""
    numbers_of: list[set[int]] = [set() for _ in grid.groups]
    for first, last in runs:
        for base in range(first, last):
            for numbers, number in zip(numbers_of, grid.numbering.plane_numbers(base), strict=True):
                numbers.add(number)
    addresses = np.zeros(grid.planes, np.uint64)
    chunks: list[PlaneArray] = []
    each_s = np.empty(len(grid.groups))
    evaluator = Evaluator(bars, default_warmup)
    for together in grid.numbering.together:
        wanted = np.array(sorted(set[int]().union(*(numbers_of[at] for at in together))))
        groups = [grid.groups[at] for at in together]
        chunk, each_s[together] = _timed_planes(bars, grid, groups, wanted, evaluator, default_warmup)
        chunks.append(chunk)
        addresses[wanted] = Planes.over([chunk]).addresses
    return Planes(chunks, addresses), tuple(each_s.tolist())


def _timed_planes(
    bars: Bars,
    grid: VariantGrid,
    groups: Sequence[Any],
    wanted: IntArray,
    evaluator: Evaluator,
    default_warmup: int,
) -> tuple[PlaneArray, float]:
    """Make these planes of an indicator, or of conditions that are made together; return them and the seconds of
    one, as one of all."""
    if grid.request.signals is None:
        first = int(wanted[0])
        # Compiled, and its pages touched.
        engine.planes_of(bars, grid, first, first + 1, default_warmup)
        began = time.perf_counter()
        made = [engine.planes_of(bars, grid, number, number + 1, default_warmup) for number in wanted.tolist()]
        return np.concatenate(made), (time.perf_counter() - began) / len(wanted)
    engine.planes_of_conditions(evaluator, bars, grid, wanted[:2])
    series_s, series = evaluator.series_s, evaluator.compared
    began = time.perf_counter()
    chunk = engine.planes_of_conditions(evaluator, bars, grid, wanted)
    series_s, series = evaluator.series_s - series_s, evaluator.compared - series
    plane_s = (time.perf_counter() - began - series_s) / len(wanted)
    if series:
        # A sample reads as many operands as a grid ten times its size.
        plane_s += series_s / series * compared_series(groups[0], bars.count) / sum(group.size for group in groups)
    return chunk, plane_s


def _timed_tables(bars: Bars, grid: VariantGrid, planes: Planes) -> tuple[Tables, float]:
    # The first pass touches new pages, as it does in the search.
    began = time.perf_counter()
    tables = engine.all_tables(bars, grid, planes)
    return tables, time.perf_counter() - began


def _table_s(few: tuple[int, float], many: tuple[int, float], levels: int) -> float:
    """Seconds of the tables of so many levels, from those of two numbers of them.

    To pass over the bars takes the same for any number of levels.
    """
    level_s = max(0.0, many[1] - few[1]) / max(1, many[0] - few[0])
    return many[1] + level_s * (levels - many[0])


def with_levels(grid: VariantGrid, most: Sequence[int]) -> VariantGrid:
    """The same grid with at most so many levels of each kind that it has, spread over them, and one size."""
    changes: dict[str, Axis] = {
        name: Values(values=tuple(axis.at(at) for at in _spread(axis.count, count)))
        for (name, axis), count in zip(grid.levels.items(), most, strict=False)
    }
    risk = grid.request.risk.model_copy(update=changes)
    size = {name: axis.at(axis.count // 2) for name, axis in grid.sizes.items()}
    sizing = grid.request.sizing.model_copy(update=size)
    return VariantGrid(grid.request.model_copy(update={"risk": risk, "sizing": sizing}))


def _spread(count: int, most: int) -> list[int]:
    return sorted({(2 * at + 1) * count // (2 * most) for at in range(most)})


def _levels(grid: VariantGrid) -> int:
    return sum(axis.count for axis in grid.levels.values())


def _fastest(work: Callable[[], object]) -> float:
    """Seconds of the faster of two runs: the first one loads what it needs."""
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)
