"""A synchronous backtest, fanned out: planes, ranges of variants, stops of the best of them, reports.

The caller's process is the driver: it submits each phase's tasks up front under the phase's name, merges answers
as they finish, and keeps none after its merge, so that its memory does not grow with the number of variants. The
order of merging cannot matter, because the ranking's order is total.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

import ray

from candleray import engine
from candleray.backtests import BacktestRequest, BacktestResult, RankedVariant
from candleray.candles import Candles, IntArray
from candleray.grids import ranges
from candleray.rankings import Ranking
from candleray.settings import Compute, Settings
from candleray.stops import shortlisted, stop_tables
from candleray.timeframes import MINUTE_MS, minutes_of
from candleray.variants import BARS_PER_WORD, VariantGrid, check_guards, resolve
from cluster import tasks

VARIANT_S_PER_WORD = 8e-9
"""What one variant costs for each 64 bars: measured 58 µs for a year of minutes, 8,213 words."""

GATHER_S_PER_WORD = 1e-7
"""What it costs to find where the stops end a base variant's entries: measured 0.8 ms for a year of minutes."""

COMBINATION_S_PER_WORD = 4e-9
"""What a combination of stop levels costs on top: measured 30 µs for a year of minutes."""

REPORT_S = 0.005
"""What one report costs on a year of minutes, at most."""


class CandleReader(Protocol):
    """The candle store as its callers in other processes see it."""

    async def read(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> Candles: ...

    async def span(self, market_id: int, symbol: str) -> tuple[int, int]:
        """`[first, end)` of what is stored; raises NotFound for an unknown symbol."""
        ...


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
    check_guards(grid, _most_bars(request, stored), settings.guards)
    warmup = engine.warmup_bars(grid, default_warmup)
    minutes = await _read_minutes(store, request, warmup, stored[0])
    bars = await asyncio.to_thread(engine.bars_of, minutes, request, warmup)
    bars_ref = ray.put(bars)
    watch.lap("candles")
    fan_out = FanOut(grid, bars.count, bars_ref, settings.compute)
    await fan_out.build_planes(default_warmup)
    watch.lap("planes")
    ranking, shortlist = Ranking.empty(), None
    if grid.needs_stage_a:
        ranking = await fan_out.rank()
        watch.lap("variants")
    if grid.has_stops:
        bases, shortlist = shortlisted(grid, ranking)
        await fan_out.build_tables()
        watch.lap("tables")
        ranking = await fan_out.rank_under_stops(bases)
        watch.lap("combinations")
    top = await fan_out.report(ranking)
    watch.lap("reports")
    return engine.result_of(bars, grid, default_warmup, watch.elapsed(), top, shortlist, ranking.pruned)


def _most_bars(request: BacktestRequest, stored: tuple[int, int]) -> int:
    """The bars there can be at most, known before anything is read."""
    start_ms = max(request.time_range.start_ms, stored[0])
    end_ms = min(request.time_range.end_ms, stored[1])
    return max(0, end_ms - start_ms) // (minutes_of(request.timeframe) * MINUTE_MS)


async def _read_minutes(store: CandleReader, request: BacktestRequest, warmup: int, first_ms: int) -> Candles:
    """The range's minutes and enough before it for `warmup` bars, or all there are.

    Holes thin out the bars, so the stretch before the range doubles until it holds enough of them.
    """
    bar_ms = minutes_of(request.timeframe) * MINUTE_MS
    span, instrument = request.time_range, request.instrument
    # One bar more: the range may start inside a bar, whose minutes then warm nothing up.
    reach_ms = (warmup + 1) * bar_ms
    while True:
        from_ms = max(first_ms, (span.start_ms - reach_ms) // bar_ms * bar_ms)
        minutes = await store.read(instrument.market_id, instrument.symbol, from_ms, span.end_ms)
        if from_ms <= first_ms or engine.bars_before(minutes, request) >= warmup:
            return minutes
        reach_ms *= 2


class FanOut:
    """The phases of one grid on Ray, over bars and planes in shared memory."""

    def __init__(self, grid: VariantGrid, bar_count: int, bars_ref: Any, compute: Compute) -> None:
        self.grid = grid
        self._words = -(-bar_count // BARS_PER_WORD)
        self._bars_ref = bars_ref
        self._request_ref = ray.put(grid.request)
        self._compute = compute
        self._cpus = max(1, int(ray.cluster_resources().get("CPU", 1)))
        self._plane_refs: list[Any] = []
        self._table_refs: list[Any] = []

    async def build_planes(self, default_warmup: int) -> None:
        submit = tasks.build_planes.options(name="planes")
        self._plane_refs = [
            submit.remote(self._bars_ref, self._request_ref, first, last, default_warmup)
            for first, last in ranges(self.grid.planes, 4 * self._cpus)
        ]
        await _finished(self._plane_refs)

    async def rank(self) -> Ranking:
        """Stage A: the best of all base variants, without stops."""
        size = self.grid.radix.size
        submit = tasks.rank_variants.options(name="stage-a")
        pending = {
            submit.remote(self._bars_ref, self._request_ref, self._plane_refs, first, last)
            for first, last in ranges(size, self._parts(size * self._words * VARIANT_S_PER_WORD))
        }
        return await _merged(pending, engine.stage_a_keeps(self.grid))

    async def build_tables(self) -> None:
        submit = tasks.build_table.options(name="tables")
        self._table_refs = [
            submit.remote(self._bars_ref, self._request_ref, table) for table in stop_tables(self.grid)
        ]
        await _finished(self._table_refs)

    async def rank_under_stops(self, bases: IntArray | range) -> Ranking:
        """Stage B: the best `top_k` of these base variants under every combination of stop levels."""
        each = self.grid.combinations.size
        seconds = len(bases) * self._words * (GATHER_S_PER_WORD + each * COMBINATION_S_PER_WORD)
        parts = self._parts(seconds)
        # What a base variant's combinations share is computed once where a range holds all of them.
        unit = each if len(bases) >= parts else 1
        submit = tasks.rank_under_stops.options(name="stage-b")
        refs = self._bars_ref, self._request_ref, self._plane_refs, self._table_refs
        pending = set()
        for first, last in ranges(len(bases) * each // unit, parts):
            first, last = first * unit, last * unit
            chosen = bases[first // each : -(-last // each)]
            pending.add(submit.remote(*refs, chosen, first % each, first % each + last - first))
        return await _merged(pending, self.grid.request.top_k or 1)

    async def report(self, ranking: Ranking) -> list[RankedVariant]:
        submit = tasks.report_variants.options(name="reports")
        refs = self._bars_ref, self._request_ref, self._plane_refs, self._table_refs
        reports = [
            submit.remote(*refs, ranking.between(first, last), first + 1)
            for first, last in ranges(len(ranking), self._parts(len(ranking) * REPORT_S))
        ]
        return [row for rows in await _finished(reports) for row in rows]

    def _parts(self, seconds: float) -> int:
        """How many tasks for that much work: each about `task_seconds`, and a few for every CPU."""
        wanted = int(seconds / self._compute.task_seconds) + 1
        even = 3 * self._cpus if seconds > 0.1 else 1
        return min(max(wanted, even), self._compute.max_tasks_per_phase)


async def _merged(pending: set[Any], k: int) -> Ranking:
    """The best `k` of all answers."""
    ranking = Ranking.empty()
    async for answer in _as_finished(pending):
        ranking = ranking.merged(answer, k)
    return ranking


async def _finished(refs: Sequence[Any]) -> list[Any]:
    """All answers in order; when one fails or the caller leaves, the rest is cancelled."""
    try:
        return list(await asyncio.gather(*refs))
    except BaseException:
        _cancel(refs)
        raise


async def _as_finished(pending: set[Any]) -> Any:
    """Answers as they come; none is kept here."""
    futures = {asyncio.wrap_future(ref.future()): ref for ref in pending}
    pending.clear()
    try:
        while futures:
            done, _ = await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
            for future in done:
                del futures[future]
                yield future.result()
    except BaseException:
        _cancel(list(futures.values()))
        raise


def _cancel(refs: Sequence[Any]) -> None:
    for ref in refs:
        ray.cancel(ref, force=False)
