"""A search fanned out on Ray: planes, ranges of variants, stops of the best of them, reports.

The caller's process is the driver: it submits each phase's tasks up front under the phase's name, merges answers
as they finish, and keeps none after its merge, so that its memory does not grow with the number of variants. The
order of merging cannot matter, because the ranking's order is total.
"""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import numpy as np
import ray

from candleray.backtests.phase import Phase
from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult, RankedVariant
from candleray.candles import FloatArray, IntArray
from candleray.market_data.bar_reader import CandleReader
from candleray.search import phases
from candleray.search.bars import Bars
from candleray.search.costs import Costs
from candleray.search.estimate import compute_bytes, needs_measuring, require_in_time
from candleray.search.phases import Bases, Tell, Watch
from candleray.search.ranges import by_part, cuts, even_shares, tapered_shares
from candleray.search.rankings import Ranking
from candleray.search.sweep import Sweep
from candleray.search.variants import VariantGrid
from candleray.settings import ComputeSettings, Settings
from cluster.search import tasks
from cluster.search.compiling import compile_kernels
from cluster.search.measured_costs import measured_costs, rough_costs
from cluster.search.shared_arrays import SHORTEST_TASK_S, SharedArrays
from cluster.search.tasks import all_finished, cancel, submit

HISTORIES_BYTES = 3_000_000_000
"""Planes of histories of chance that are searched at once, on all nodes together."""


async def backtest(request: BacktestRequest, store: CandleReader, settings: Settings) -> BacktestResult:
    """Answer a request at once, on the cluster that this process belongs to.

    Raises:
        GuardExceeded: the request is too large for one synchronous answer.
        NotFound: unknown symbol, or no candles there.
        GapsInRange: a long hole that the request does not allow.
    """

    warmup = settings.backtests.warmup_bars

    costs: Costs | None = None

    async def prepare(grid: VariantGrid, bars: Bars, watch: Watch) -> None:
        nonlocal costs
        await compile_kernels(grid, bars, warmup, watch.begin)
        if needs_measuring(grid):
            costs = await measured_costs(bars, grid, warmup)
            cpus = max(1, int(ray.cluster_resources().get("CPU", 1)))
            require_in_time(grid, costs.total_s(grid) / cpus, settings.api)

    def workers(grid: VariantGrid, bars: Bars) -> FanOut:
        known = costs or rough_costs(grid, bars.count)
        arrays = SharedArrays(grid, ray.put(bars), known.signals, settings.compute, warmup)
        return FanOut(arrays, known, settings.compute)

    return await phases.backtest(request, store, settings, workers, prepare)


class FanOut:
    """The workers of one search on Ray, over what is in shared memory."""

    def __init__(self, arrays: SharedArrays, costs: Costs, compute: ComputeSettings) -> None:
        self.grid = arrays.grid
        self._arrays = arrays
        self._costs = costs
        self._compute = compute
        self._constant: tuple[str, ...] = ()
        self._begun: dict[Any, tuple[int, int]] = {}
        """Ranges under stops that were submitted before their tables were there."""

    async def planes(self, tell: Tell) -> None:
        await self._arrays.planes(tell)

    async def rank(self, sweep: Sweep, tell: Tell) -> None:
        refs = self._shared
        costs, size = self._costs.signals, self.grid.radix.size
        bounds = cuts(size, 1, self._shares(size * costs.variant_s, size), by_part(costs.weights, size))
        pending = {
            submit(sweep.phase, tasks.rank_variants, *refs, first, last): (first, last)
            for first, last in sweep.left(bounds)
        }
        try:
            await _swept(sweep, pending, tell)
        except BaseException:
            self._arrays.cancel()  # the tables are made meanwhile
            raise

    async def tables(self, sweep: Sweep, bases: Bases, tell: Tell) -> None:
        # A range for each core waits for the tables, so that no core pauses between the two phases. The rest comes
        # later: of tasks that wait for the same arguments any may begin first, and here the long ones must.
        first = self._ranges_under_stops(sweep, bases)[: self._arrays.cpus]
        self._begun = {self._submit_under_stops(sweep.phase, bases, *span): span for span in first}
        try:
            await self._arrays.tables(tell)
        except BaseException:
            cancel(list(self._begun))
            raise

    async def rank_under_stops(self, sweep: Sweep, bases: Bases, tell: Tell) -> None:
        pending, self._begun = self._begun, {}
        begun = set(pending.values())
        for span in self._ranges_under_stops(sweep, bases):
            if span not in begun:
                pending[self._submit_under_stops(sweep.phase, bases, *span)] = span
        await _swept(sweep, pending, tell)

    def _ranges_under_stops(self, sweep: Sweep, bases: Bases) -> list[tuple[int, int]]:
        """Cut what is left of the sweep into ranges that take as long as the shares say, the longest first."""
        each, costs = self.grid.combinations.size, self._costs.stops
        shares = self._shares(len(bases) * (costs.base_s + each * costs.combination_s), sweep.total)
        # What a base variant's combinations share is computed once where a range holds all of them.
        unit = each if len(bases) >= len(shares) else 1
        base_weight = by_part(costs.weights, self.grid.radix.size)

        def weight(variants: IntArray) -> FloatArray:
            return base_weight(np.array([bases[at] for at in (variants // each).tolist()], np.int64))

        return list(sweep.left(cuts(sweep.total, unit, shares, weight)))

    def _submit_under_stops(self, phase: Phase, bases: Bases, first: int, last: int) -> Any:
        each = self.grid.combinations.size
        chosen = bases[first // each : -(-last // each)]
        return submit(
            phase,
            tasks.rank_under_stops,
            *self._shared,
            chosen,
            first % each,
            first % each + last - first,
            *self._arrays.table_refs,
        )

    async def report(self, ranking: Ranking, tell: Tell) -> list[RankedVariant]:
        refs = *self._shared, self._arrays.table_refs
        shares = self._shares(len(ranking) * self._costs.signals.report_s)
        bounds = cuts(len(ranking), 1, shares, by_part((1.0,), len(ranking))) if len(ranking) else []
        reports = [
            submit(Phase.REPORTS, tasks.report_variants, *refs, ranking.between(first, last), first + 1)
            for first, last in pairwise(bounds)
        ]
        # Beside the reports, most of which keep one core: so it takes no time of its own.
        constant = submit(Phase.REPORTS, tasks.constant_conditions, *self._shared)
        *tops, self._constant = await all_finished([*reports, constant], tell)
        return [row for rows in tops for row in rows]

    async def histories(self, sweep: Sweep, tell: Tell) -> None:
        # Each task holds all planes of a search: no more at once than there is room for.
        bars: Bars = await self._arrays.bars_ref
        room = HISTORIES_BYTES // max(1, compute_bytes(self.grid, bars.count))
        at_once = max(1, min(self._arrays.cpus, room))
        each_s = sum(self._costs.of_a_history(self.grid).values())
        size = max(1, int(self._compute.task_seconds / max(each_s, 1e-3)))
        left = list(sweep.left(range(0, sweep.total, size)))
        refs = self._arrays.bars_ref, self._arrays.request_ref, self._arrays.warmup
        for at in range(0, len(left), at_once):
            spans = left[at : at + at_once]
            pending = {submit(sweep.phase, tasks.rank_histories, *refs, *span): span for span in spans}
            await _swept(sweep, pending, tell)

    async def constant_conditions(self) -> tuple[str, ...]:
        return self._constant

    @property
    def _shared(self) -> tuple[Any, Any, list[Any]]:
        return self._arrays.bars_ref, self._arrays.request_ref, self._arrays.plane_refs

    def _shares(self, seconds: float, variants: int = 0) -> FloatArray:
        """Return the share of that much work that each task does."""
        compute = self._compute
        if variants and compute.task_variants:
            return even_shares(min(-(-variants // compute.task_variants), compute.max_tasks_per_phase))
        return tapered_shares(
            seconds, self._arrays.cpus, compute.task_seconds, SHORTEST_TASK_S, compute.max_tasks_per_phase
        )


async def _swept(sweep: Sweep, pending: dict[Any, tuple[int, int]], tell: Tell) -> None:
    """Merge the answers as they come; none is kept."""
    futures = {asyncio.wrap_future(ref.future()): (ref, span) for ref, span in pending.items()}
    pending.clear()
    total = len(futures)
    if total:
        tell(0, total)
    try:
        while futures:
            done, _ = await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
            for future in done:
                _, span = futures.pop(future)
                sweep.add(*span, future.result())
            tell(total - len(futures), total)
    except BaseException:
        cancel([ref for ref, _ in futures.values()])
        for future in futures:
            future.cancel()  # nobody retrieves its exception
        raise
