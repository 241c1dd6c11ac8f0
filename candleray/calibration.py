"""What a search costs, measured on a sample of it: nothing here is a constant of some other machine.

A cost differs a hundredfold with the trades of a variant, so the sample is spread over the whole grid: runs of
neighbours, which share partial results as they do in the search.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from candleray import engine
from candleray.backtests import Risk
from candleray.candles import IntArray
from candleray.engine import Bars, PlaneArray, Planes
from candleray.grids import Axis, Values, ranges
from candleray.rankings import Ranking
from candleray.stops import Tables, stop_tables
from candleray.variants import VariantGrid

RUNS = 24
RUN_LENGTH = 8
SAMPLED_LEVELS = 6
"""Of each stop axis, in the larger of two samples."""
SAMPLED_REPORTS = 2


@dataclass(frozen=True)
class Costs:
    """Seconds of one core."""

    plane_s: float
    """All planes."""
    variant_s: float
    """One base variant without stops."""
    table_s: float
    """All tables of first passages."""
    base_s: float
    """What a base variant's combinations share."""
    combination_s: float
    report_s: float
    """One report."""

    def stage_a_s(self, grid: VariantGrid) -> float:
        return grid.radix.size * self.variant_s if grid.needs_stage_a else 0.0

    def stage_b_s(self, grid: VariantGrid) -> float:
        if not grid.has_stops:
            return 0.0
        return grid.kept * (self.base_s + grid.combinations.size * self.combination_s)

    def reports_s(self, grid: VariantGrid) -> float:
        return min(grid.request.top_k or 1, grid.evaluated) * self.report_s

    def total_s(self, grid: VariantGrid) -> float:
        """The whole search on one core."""
        ranked = self.stage_a_s(grid) + self.stage_b_s(grid)
        return self.plane_s + self.table_s + ranked + self.reports_s(grid)


def measure_costs(bars: Bars, grid: VariantGrid, default_warmup: int) -> Costs:
    """Takes some tenths of a second, however large the grid is."""
    runs = _sampled_runs(grid)
    planes, plane_s = _sampled_planes(bars, grid, runs, default_warmup)
    count = sum(last - first for first, last in runs)

    def rank_all() -> None:
        for first, last in runs:
            engine.rank_variants(bars, grid, planes, first, last)

    variant_s = _fastest(rank_all) / count
    table_s = base_s = combination_s = 0.0
    if grid.has_stops:
        table_s, base_s, combination_s = _stop_costs(bars, grid, planes, [first for first, _ in runs])
    report_s = _report_s(bars, grid, planes, np.array([first for first, _ in runs[:SAMPLED_REPORTS]]))
    return Costs(plane_s, variant_s, table_s, base_s, combination_s, report_s)


def _report_s(bars: Bars, grid: VariantGrid, planes: Planes, bases: IntArray) -> float:
    """One report, of a base variant: with stops it has hardly other trades."""
    bare = VariantGrid(grid.request.model_copy(update={"risk": Risk()}))
    ranking = Ranking(bases, np.zeros(len(bases)), np.zeros(len(bases), np.int64))
    return _fastest(lambda: engine.report_variants(bars, bare, planes, ranking, 1)) / len(bases)


def _sampled_runs(grid: VariantGrid) -> list[tuple[int, int]]:
    """Ranges of base variants, one in each of `RUNS` equal parts of the grid, not all at the same digits."""
    parts = list(ranges(grid.radix.size, RUNS))
    runs = []
    for number, (first, last) in enumerate(parts):
        # The golden ratio spreads the starts evenly over the parts, whatever the axes' sizes are.
        start = first + int((number * 0.6180339887) % 1 * (last - first))
        runs.append((start, min(start + RUN_LENGTH, last)))
    return runs


def _sampled_planes(
    bars: Bars, grid: VariantGrid, runs: Sequence[tuple[int, int]], default_warmup: int
) -> tuple[Planes, float]:
    """The planes that the runs need, the others absent; and the seconds that all planes would take."""
    wanted: dict[int, set[int]] = {}
    for first, last in runs:
        for base in range(first, last):
            for axis, digit in enumerate(grid.radix.decode(base)):
                wanted.setdefault(axis, set()).add(digit)
    addresses = np.zeros(grid.planes, np.uint64)
    chunks: list[PlaneArray] = []
    seconds = 0.0
    for axis, digits in wanted.items():
        offset = grid.plane_offsets[axis]
        engine.planes_of(bars, grid, offset, offset + 1, default_warmup)  # compiled, and its pages touched
        began = time.perf_counter()
        for digit in sorted(digits):
            chunk = engine.planes_of(bars, grid, offset + digit, offset + digit + 1, default_warmup)
            chunks.append(chunk)
            addresses[offset + digit] = Planes.over([chunk]).addresses[0]
        each_s = (time.perf_counter() - began) / len(digits)
        seconds += each_s * grid.indicators[axis].size
    return Planes(chunks, addresses), seconds


def _stop_costs(bars: Bars, grid: VariantGrid, planes: Planes, bases: Sequence[int]) -> tuple[float, float, float]:
    """All tables, what the combinations of one base share, one combination: from a few and from more levels."""
    chosen = np.array(sorted(set(bases)), np.int64)
    few, more = _with_levels(grid, 1), _with_levels(grid, SAMPLED_LEVELS)
    timed = []
    for small in (few, more):
        tables, table_s = _timed_tables(bars, small)
        count = len(chosen) * small.combinations.size

        def rank_all(small: VariantGrid = small, tables: Tables = tables, count: int = count) -> None:
            engine.rank_under_stops(bars, small, planes, tables, chosen, 0, count)

        timed.append((small, _fastest(rank_all) / len(chosen), table_s))
    (few, few_s, few_table_s), (more, more_s, more_table_s) = timed
    added = more.combinations.size - few.combinations.size
    combination_s = max(0.0, more_s - few_s) / added if added else few_s / few.combinations.size
    base_s = max(0.0, few_s - combination_s * few.combinations.size) if added else 0.0
    levels = _levels(grid)
    more_levels, few_levels = _levels(more), _levels(few)
    if more_levels > few_levels:
        level_s = max(0.0, more_table_s - few_table_s) / (more_levels - few_levels)
        table_s = more_table_s + level_s * (levels - more_levels)
    else:
        table_s = more_table_s * levels / more_levels
    return table_s, base_s, combination_s


def _timed_tables(bars: Bars, grid: VariantGrid) -> tuple[Tables, float]:
    slippage = engine.trading_rules(grid.request).slippage
    made = [table.over(bars.close, slippage) for table in stop_tables(grid)]
    seconds = _fastest(lambda: [table.over(bars.close, slippage) for table in stop_tables(grid)])
    return Tables.over(grid, made), seconds


def _with_levels(grid: VariantGrid, most: int) -> VariantGrid:
    """The same grid with at most so many levels of each stop axis, spread over it."""
    risk = grid.request.risk
    changes: dict[str, Axis] = {
        name: Values(values=tuple(axis.at(at) for at in _spread(axis.count, most)))
        for name, axis in (("sl_pct", grid.stop_losses), ("tp_pct", grid.take_profits))
        if axis is not None
    }
    return VariantGrid(grid.request.model_copy(update={"risk": risk.model_copy(update=changes)}))


def _spread(count: int, most: int) -> list[int]:
    return sorted({(2 * at + 1) * count // (2 * most) for at in range(most)})


def _levels(grid: VariantGrid) -> int:
    return sum(axis.count for axis in (grid.stop_losses, grid.take_profits) if axis is not None)


def _fastest(work: Callable[[], object]) -> float:
    """Seconds of the faster of two runs, after one that warms up."""
    work()
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)
