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

from candleray import engine
from candleray.backtests import BacktestRequest, BacktestResult, RankedVariant
from candleray.bars import CandleReader
from candleray.calibration import Costs, SignalCosts, StopCosts
from candleray.candles import FloatArray, IntArray
from candleray.checkpoints import Sweep
from candleray.cuts import by_part, cuts, even_shares, tapered_shares
from candleray.guards import check_guards
from candleray.rankings import Ranking
from candleray.settings import Compute, Settings
from candleray.stops import shortlisted, table_parts
from candleray.variants import BARS_PER_WORD, VariantGrid, resolve
from cluster import tasks
from cluster.bars import most_bars, read_bars
from cluster.tasks import submit

VARIANT_S_PER_WORD = 3.4e-9
"""What one variant costs for each 64 bars: measured 27 µs for a year of minutes, 8,213 words."""

GATHER_S_PER_WORD = 1e-7
"""What it costs to find where the stops end a base variant's entries: measured 0.8 ms for a year of minutes."""

COMBINATION_S_PER_WORD = 2e-9
"""What a combination of stop levels costs on top: measured 16 µs for a year of minutes."""

REPORT_S = 0.005
"""What one report costs on a year of minutes, at most."""

SHORTEST_TASK_S = 0.1
"""Of several; a task costs 4 ms besides its work."""

Tell = Callable[[int, int], None]
"""Is told how many of how many parts of a phase are done."""


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
    fan_out = FanOut(grid, ray.put(bars), rough_costs(bars.count), settings.compute)
    await fan_out.build_planes(default_warmup)
    watch.lap("planes")
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


def rough_costs(bars: int) -> Costs:
    """Good enough to cut a search that somebody waits for: measuring would take longer than it gains."""
    words = -(-bars // BARS_PER_WORD)
    return Costs(
        SignalCosts(plane_s=0.0, variant_s=words * VARIANT_S_PER_WORD, report_s=REPORT_S),
        StopCosts(base_s=words * GATHER_S_PER_WORD, combination_s=words * COMBINATION_S_PER_WORD),
    )


async def measured_costs(bars_ref: Any, grid: VariantGrid, default_warmup: int) -> Costs:
    """Measured on a sample of this very search, on two workers at once."""
    refs = [
        submit("calibration", measure, bars_ref, grid.request, default_warmup)
        for measure in (tasks.measure_signals, tasks.measure_stops)
    ]
    return Costs(*await _all_finished(refs))


def stage_a(grid: VariantGrid) -> Sweep:
    """All base variants, without stops."""
    return Sweep("stage-a", grid.radix.size, engine.stage_a_keeps(grid))


def stage_b(grid: VariantGrid) -> Sweep:
    """The shortlist under every combination of stop levels, those of one base variant after one another."""
    return Sweep("stage-b", grid.evaluated, grid.request.top_k or 1)


class FanOut:
    """The phases of one grid on Ray, over bars and planes in shared memory."""

    def __init__(self, grid: VariantGrid, bars_ref: Any, costs: Costs, compute: Compute) -> None:
        self.grid = grid
        self._bars_ref = bars_ref
        self._request_ref = ray.put(grid.request)
        self._costs = costs
        self._compute = compute
        self._cpus = max(1, int(ray.cluster_resources().get("CPU", 1)))
        self._plane_refs: list[Any] = []
        self._table_refs: list[Any] = []

    async def build_planes(self, default_warmup: int, tell: Tell | None = None) -> None:
        """And submit the tables, which begin when the last plane is there."""
        self._plane_refs = [
            submit("planes", tasks.build_planes, self._bars_ref, self._request_ref, first, last, default_warmup)
            for first, last in pairwise(self._plane_bounds())
        ]
        if self.grid.has_stops:
            self._table_refs = self._submit_tables()
        try:
            await _all_finished(self._plane_refs, tell)
        except BaseException:
            _cancel(self._table_refs)
            raise

    def _plane_bounds(self) -> list[int]:
        seconds, each_s = self._costs.signals.plane_s, self._costs.signals.plane_each_s
        if not each_s:
            return cuts(self.grid.planes, 1, even_shares(2 * self._cpus), np.ones_like)
        # As many for every core where a task is short: each costs 10 ms until its planes are in shared memory.
        few = seconds < 2 * self._cpus * SHORTEST_TASK_S
        shares = even_shares(self._cpus) if few else self._shares(seconds)
        costs = np.repeat(each_s, self.grid.radix.sizes)
        return cuts(self.grid.planes, 1, shares, lambda planes: costs[planes])

    def _submit_tables(self) -> list[Any]:
        # As many for every core: they take about equally long.
        parts = self._cpus * max(1, round(self._costs.stops.table_s / (self._cpus * SHORTEST_TASK_S)))
        return [
            submit("tables", tasks.build_tables, self._bars_ref, self._request_ref, numbers, *self._plane_refs)
            for numbers in table_parts(self.grid, parts)
        ]

    async def rank(self, sweep: Sweep, tell: Tell | None = None) -> None:
        """Stage A: what is left of the sweep."""
        refs = self._bars_ref, self._request_ref, self._plane_refs
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
        pending = submitted(spans[: self._cpus])
        try:
            await _all_finished(self._table_refs, tell)
        except BaseException:
            _cancel(list(pending))
            raise
        begun()
        await _swept(sweep, pending | submitted(spans[self._cpus :]), tell)

    def _submit_under_stops(self, phase: str, bases: IntArray | range, first: int, last: int) -> Any:
        each = self.grid.combinations.size
        chosen = bases[first // each : -(-last // each)]
        return submit(
            phase,
            tasks.rank_under_stops,
            self._bars_ref,
            self._request_ref,
            self._plane_refs,
            chosen,
            first % each,
            first % each + last - first,
            *self._table_refs,
        )

    async def report(self, ranking: Ranking, tell: Tell | None = None) -> list[RankedVariant]:
        refs = self._bars_ref, self._request_ref, self._plane_refs, self._table_refs
        shares = self._shares(len(ranking) * self._costs.signals.report_s)
        bounds = cuts(len(ranking), 1, shares, by_part((1.0,), len(ranking))) if len(ranking) else []
        reports = [
            submit("reports", tasks.report_variants, *refs, ranking.between(first, last), first + 1)
            for first, last in pairwise(bounds)
        ]
        return [row for rows in await _all_finished(reports, tell) for row in rows]

    def _shares(self, seconds: float, variants: int = 0) -> FloatArray:
        """How much of that much work each task does."""
        compute = self._compute
        if variants and compute.task_variants:
            return even_shares(min(-(-variants // compute.task_variants), compute.max_tasks_per_phase))
        return tapered_shares(
            seconds, self._cpus, compute.task_seconds, SHORTEST_TASK_S, compute.max_tasks_per_phase
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
        _cancel([ref for ref, _ in futures.values()])
        raise


async def _all_finished(refs: Sequence[Any], tell: Tell | None = None) -> list[Any]:
    """All answers in order; when one fails or the caller leaves, the rest is cancelled."""
    done = 0

    async def one(ref: Any) -> Any:
        nonlocal done
        answer = await ref
        done += 1
        if tell:
            tell(done, len(refs))
        return answer

    if tell:
        tell(0, len(refs))
    try:
        return list(await asyncio.gather(*(one(ref) for ref in refs)))
    except BaseException:
        _cancel(refs)
        raise


def _cancel(refs: Sequence[Any]) -> None:
    for ref in refs:
        ray.cancel(ref, force=False)
