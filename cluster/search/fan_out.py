"""A backtest fanned out: planes, ranges of variants, stops of the best of them, reports.

The caller's process is the driver: it submits each phase's tasks up front under the phase's name, merges answers
as they finish, and keeps none after its merge, so that its memory does not grow with the number of variants. The
order of merging cannot matter, because the ranking's order is total.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import ray

from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult, RankedVariant
from candleray.candles import FloatArray, IntArray
from candleray.guards import check_guards
from candleray.jobs.checkpoint import Sweep
from candleray.market_data.bars import CandleReader
from candleray.search import engine
from candleray.search.costs import Costs
from candleray.search.ranges import by_part, cuts, even_shares, tapered_shares
from candleray.search.rankings import Ranking
from candleray.search.stop_tables import shortlisted
from candleray.search.variants import VariantGrid, resolve
from candleray.settings import ComputeSettings, Settings
from cluster.bars import most_bars, read_bars
from cluster.pending import Tell, all_finished, cancel
from cluster.search import tasks
from cluster.search.measured_costs import rough_costs
from cluster.search.shared_arrays import SHORTEST_TASK_S, Groundwork
from cluster.search.tasks import submit


async def run_backtest(request: BacktestRequest, store: CandleReader, settings: Settings) -> BacktestResult:
    """Resolve, check the guards, run on the cluster this process belongs to.

    Raises:
        GuardExceeded: the request is too large for one synchronous answer.
        NotFound: unknown symbol, or no candles there.
    """
    watch = engine.Stopwatch()
    default_warmup = settings.backtests.warmup_bars
    request = resolve(request, settings.backtests)
    grid = VariantGrid(request)
    instrument = request.instrument
    stored = await store.span(instrument.market_id, instrument.symbol)
    check_guards(grid, most_bars(request, stored), settings.guards)
    bars = await read_bars(store, grid, default_warmup)
    watch.lap("candles")
    costs = rough_costs(bars.count)
    ground = Groundwork(grid, ray.put(bars), costs.signals, settings.compute, default_warmup)
    await ground.planes()
    watch.lap("planes")
    fan_out = FanOut(ground, costs, settings.compute)
    ranking, shortlist = Ranking.empty(), None
    if grid.needs_stage_a:
        sweep = stage_a(grid)
        await fan_out.rank(sweep)
        ranking = sweep.ranking
        watch.lap("variants")
    if grid.has_stops:
        bases, shortlist = shortlisted(grid, ranking)
        sweep = stage_b(grid)
        await fan_out.rank_under_stops(sweep, bases, lambda: watch.lap("tables"))
        ranking = sweep.ranking
        watch.lap("combinations")
    top = await fan_out.report(ranking)
    watch.lap("reports")
    return engine.result_of(bars, grid, default_warmup, watch.elapsed(), top, shortlist, ranking.pruned)


def stage_a(grid: VariantGrid) -> Sweep:
    """All base variants, without stops."""
    return Sweep("stage-a", grid.radix.size, engine.stage_a_keeps(grid))


def stage_b(grid: VariantGrid) -> Sweep:
    """The shortlist under every combination of stop levels, those of one base variant after one another."""
    return Sweep("stage-b", grid.evaluated, grid.request.top_k or 1)


class FanOut:
    """The phases of one grid on Ray, over what is in shared memory."""

    def __init__(self, ground: Groundwork, costs: Costs, compute: ComputeSettings) -> None:
        self.grid = ground.grid
        self._ground = ground
        self._costs = costs
        self._compute = compute

    async def rank(self, sweep: Sweep, tell: Tell | None = None) -> None:
        """Stage A: what is left of the sweep."""
        refs = self._shared
        costs, size = self._costs.signals, self.grid.radix.size
        bounds = cuts(size, 1, self._shares(size * costs.variant_s, size), by_part(costs.weights, size))
        pending = {
            submit(sweep.phase, tasks.rank_variants, *refs, first, last): (first, last)
            for first, last in sweep.left(bounds)
        }
        await _swept(sweep, pending, tell)

    async def rank_under_stops(
        self, sweep: Sweep, bases: IntArray | range, begun: Callable[[], None], tell: Tell | None = None
    ) -> None:
        """Stage B: what is left of these base variants under every combination of stop levels.

        The tables' end comes first, with no pause after it; it calls `begun`.
        """
        each = self.grid.combinations.size
        costs = self._costs.stops
        shares = self._shares(len(bases) * (costs.base_s + each * costs.combination_s), sweep.total)
        # What a base variant's combinations share is computed once where a range holds all of them.
        unit = each if len(bases) >= len(shares) else 1
        base_weight = by_part(costs.weights, self.grid.radix.size)

        def weight(variants: IntArray) -> FloatArray:
            return base_weight(np.array([bases[at] for at in (variants // each).tolist()], np.int64))

        def submitted(spans: Sequence[tuple[int, int]]) -> dict[Any, tuple[int, int]]:
            return {self._submit_under_stops(sweep.phase, bases, *span): span for span in spans}

        spans = list(sweep.left(cuts(sweep.total, unit, shares, weight)))
        # One a core now, the rest later: what waits for the same tables begins in no order, and the long go first.
        pending = submitted(spans[: self._ground.cpus])
        try:
            await self._ground.tables(tell)
        except BaseException:
            cancel(list(pending))
            raise
        begun()
        await _swept(sweep, pending | submitted(spans[self._ground.cpus :]), tell)

    def _submit_under_stops(self, phase: str, bases: IntArray | range, first: int, last: int) -> Any:
        each = self.grid.combinations.size
        chosen = bases[first // each : -(-last // each)]
        return submit(
            phase,
            tasks.rank_under_stops,
            *self._shared,
            chosen,
            first % each,
            first % each + last - first,
            *self._ground.table_refs,
        )

    async def report(self, ranking: Ranking, tell: Tell | None = None) -> list[RankedVariant]:
        refs = *self._shared, self._ground.table_refs
        shares = self._shares(len(ranking) * self._costs.signals.report_s)
        bounds = cuts(len(ranking), 1, shares, by_part((1.0,), len(ranking))) if len(ranking) else []
        reports = [
            submit("reports", tasks.report_variants, *refs, ranking.between(first, last), first + 1)
            for first, last in pairwise(bounds)
        ]
        return [row for rows in await all_finished(reports, tell) for row in rows]

    @property
    def _shared(self) -> tuple[Any, Any, list[Any]]:
        return self._ground.bars_ref, self._ground.request_ref, self._ground.plane_refs

    def _shares(self, seconds: float, variants: int = 0) -> FloatArray:
        """How much of that much work each task does."""
        compute = self._compute
        if variants and compute.task_variants:
            return even_shares(min(-(-variants // compute.task_variants), compute.max_tasks_per_phase))
        return tapered_shares(
            seconds, self._ground.cpus, compute.task_seconds, SHORTEST_TASK_S, compute.max_tasks_per_phase
        )


async def _swept(sweep: Sweep, pending: dict[Any, tuple[int, int]], tell: Tell | None) -> None:
    """Merges the answers as they come; none is kept."""
    futures = {asyncio.wrap_future(ref.future()): (ref, span) for ref, span in pending.items()}
    pending.clear()
    total = len(futures)
    if tell and total:
        tell(0, total)
    try:
        while futures:
            done, _ = await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
            for future in done:
                _, span = futures.pop(future)
                sweep.add(*span, future.result())
            if tell:
                tell(total - len(futures), total)
    except BaseException:
        cancel([ref for ref, _ in futures.values()])
        raise
