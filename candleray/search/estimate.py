"""A request's size against its limits, and the time it is expected to take, before any of it is computed."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Literal, TypeAlias

from candleray.backtests.preflight import Guard, Pace, Preflight, SizedRequest
from candleray.backtests.request import BacktestRequest, Direction
from candleray.errors import GuardExceeded, Problem
from candleray.market_data.bar_reader import CandleReader
from candleray.market_data.range_coverage import RangeCoverage
from candleray.search.bars import Bars, allowed_coverage, coverage_of, most_bars, read_bars, warmup_bars
from candleray.search.costs import Costs
from candleray.search.variants import BARS_PER_WORD, VariantGrid, request_hash, resolve, sized_request
from candleray.settings import ApiSettings, GuardSettings, Settings
from candleray.timeframes import minutes_of

WORD_BYTES = 8
TABLE_BYTES = 4

Measure: TypeAlias = Callable[[Bars, VariantGrid, int], Awaitable[Costs]]
"""Measures what a search costs on a sample of it; the number is the default warm-up."""


def guards_for(grid: VariantGrid, bars: int, settings: Settings) -> tuple[list[Guard], list[Guard]]:
    """Return the guards of a synchronous backtest, and those of a job."""
    return (
        guards_of(grid, bars, settings.guards, settings.guards.max_variants),
        guards_of(grid, bars, settings.guards, settings.jobs.max_variants),
    )


def describe(
    grid: VariantGrid,
    bars: int,
    settings: Settings,
    costs: Costs | None,
    cpus: int,
    fixed_s: float,
    pace: Pace,
    notes: tuple[str, ...] = (),
) -> Preflight:
    """Describe what a request would cost and whether it may run.

    Args:
        costs: None where a guard of jobs is exceeded and nothing was measured.
        fixed_s: seconds that a synchronous search takes beside searching: reading candles.
        notes: about the range's candles.
    """
    for_sync, for_job = guards_for(grid, bars, settings)
    core_s = None if costs is None else costs.total_s(grid)
    search_s = None if core_s is None else core_s / max(1, cpus) * pace.stretch
    sync_s = None if search_s is None else fixed_s + search_s
    job_s = None if search_s is None else pace.fixed_s + search_s
    if sync_s is not None and job_s is not None:
        for_sync.append(Guard(name="seconds", number=round(sync_s, 1), limit=settings.api.backtest_timeout_s))
        for_job.append(Guard(name="seconds", number=round(job_s, 1), limit=settings.jobs.max_seconds))
    if costs is not None:
        notes = (*notes, *_note_on_ranking(grid, costs))
    sync_violated = tuple(guard for guard in for_sync if guard.is_exceeded)
    job_violated = tuple(guard for guard in for_job if guard.is_exceeded)
    mode: Literal["sync", "job", "refused"] = "refused" if job_violated else "job" if sync_violated else "sync"
    estimated_s = job_s if mode == "job" else sync_s
    return Preflight(
        request_hash=request_hash(grid.request),
        variants_total=grid.size,
        variants_evaluated=grid.evaluated,
        simulations=grid.simulations,
        bars=bars,
        planes=grid.planes,
        compute_bytes=next(int(guard.number) for guard in for_job if guard.name == "compute_bytes"),
        core_s=None if core_s is None else round(core_s, 3),
        estimated_s=None if estimated_s is None else round(estimated_s, 4),
        estimated_job_s=None if job_s is None else round(job_s, 4),
        mode=mode,
        notes=notes,
        violated_for_sync=sync_violated,
        violated_for_job=job_violated,
    )


def _note_on_ranking(grid: VariantGrid, costs: Costs) -> Iterator[str]:
    """Yield what ranking by another metric costs: people do not expect it of a column of a report."""
    if grid.request.rank_by is None:
        return
    whole_s, plain_s = costs.total_s(grid), costs.by_total_return().total_s(grid)
    yield (
        f"ranked by {grid.ranked_by.name}: {whole_s:,.3g} core seconds, {whole_s / max(plain_s, 1e-9):,.3g} times "
        f"the {plain_s:,.3g} of a ranking by Total Return [%]"
    )


async def weigh(
    request: BacktestRequest, store: CandleReader, settings: Settings, pace: Pace, cpus: int, measure: Measure
) -> Preflight:
    """Weigh a request on these workers: sized exactly, timed on a sample.

    Raises:
        NotFound: unknown symbol, or no candles there.
        GapsInRange: a long hole that the request does not allow.
    """
    grid, coverage = await sized(request, store, settings)
    bars, notes = coverage.bars, coverage.notes
    if any(guard.is_exceeded for guard in guards_for(grid, bars, settings)[1]):
        return describe(grid, bars, settings, None, 1, 0.0, pace, notes)
    began = time.perf_counter()
    read = await read_bars(store, grid, settings.backtests)
    notes = read.coverage.notes
    candles_s = time.perf_counter() - began
    costs = await measure(read, grid, settings.backtests.warmup_bars)
    return describe(grid, bars, settings, costs, cpus, candles_s, pace, notes)


async def require_job_guards(request: BacktestRequest, store: CandleReader, settings: Settings) -> SizedRequest:
    """Return the resolved request of a job with its hashes and sizes.

    Raises:
        GuardExceeded: no job may ask for that.
        NotFound: unknown symbol.
        GapsInRange: a long hole that the request does not allow.
    """
    grid, coverage = await sized(request, store, settings)
    refuse_exceeded(guards_for(grid, coverage.bars, settings)[1], "any job")
    warmup = warmup_bars(grid, settings.backtests.warmup_bars)
    notes = (await coverage_of(store, grid.request, warmup)).notes
    return sized_request(grid, settings.backtests)._replace(notes=notes)


async def sized(
    request: BacktestRequest, store: CandleReader, settings: Settings
) -> tuple[VariantGrid, RangeCoverage]:
    """Return the grid of the resolved request, and the coverage of its range."""
    grid = VariantGrid(resolve(request, settings.backtests))
    return grid, await allowed_coverage(store, grid.request, settings.backtests)


def guards_of(grid: VariantGrid, bars: int, limits: GuardSettings, max_variants: int) -> list[Guard]:
    """Return every limited number beside its limit, exceeded or not, by name."""
    return [
        Guard(name="compute_bytes", number=compute_bytes(grid, bars), limit=limits.max_compute_bytes),
        Guard(
            name="preselect",
            number=grid.kept if grid.needs_stage_a and grid.has_stage_b else 0,
            limit=limits.max_preselect,
        ),
        Guard(name="top_k", number=grid.request.top_k or 0, limit=limits.max_top_k),
        Guard(name="variants", number=grid.simulations, limit=max_variants),
    ]


def compute_bytes(grid: VariantGrid, bars: int) -> int:
    """Return the shared memory of a search at most: planes, bars, their minutes where levels are looked at inside,
    tables of first passages for every bar."""
    words = -(-bars // BARS_PER_WORD)
    bar_minutes = minutes_of(grid.request.timeframe)
    inside = 3 * bar_minutes if grid.looks_inside and bar_minutes > 1 else 0
    return (
        grid.planes * grid.numbering.plane_rows * words * WORD_BYTES
        + bars * (6 + inside) * WORD_BYTES
        + table_rows(grid) * bars * TABLE_BYTES
    )


def table_rows(grid: VariantGrid) -> int:
    """Return how many first passages are kept for each bar: one a level and side.

    Of a trailing stop inside bars there are two, and of a time stop none.
    """
    sides = 2 if grid.request.direction is Direction.LONG_SHORT else 1
    weights = {"max_bars": 0, "trail_pct": 2 if grid.looks_inside else 1}
    return sides * sum(weights.get(name, 1) * axis.count for name, axis in grid.levels.items())


def refuse_exceeded(guards: list[Guard], what: str) -> None:
    """Refuse what is over its limit.

    Raises:
        GuardExceeded: one problem a guard, each with its number and limit.
    """
    problems = [
        Problem(guard.name, "over_the_limit", f"{guard.name} {guard.number} is over the limit of {guard.limit}")
        for guard in guards
        if guard.is_exceeded
    ]
    if problems:
        told = "; ".join(problem.message for problem in sorted(problems))
        raise GuardExceeded(f"the request is too large for {what}: {told}", problems)


def check_guards(grid: VariantGrid, bars: int, limits: GuardSettings) -> None:
    """Refuse what one synchronous request may not ask for.

    Raises:
        GuardExceeded: see `refuse_exceeded`.
    """
    refuse_exceeded(guards_of(grid, bars, limits, limits.max_variants), "one synchronous answer")


async def require_sync_guards(grid: VariantGrid, store: CandleReader, settings: Settings) -> None:
    """Refuse a resolved request that is too large for one synchronous answer.

    Raises:
        NotFound: unknown symbol.
        GapsInRange: a long hole that the request does not allow.
        GuardExceeded: see `refuse_exceeded`.
    """
    limits, instrument = settings.guards, grid.request.instrument
    most = most_bars(grid.request, await store.span(instrument.market_id, instrument.symbol))
    # To look for holes takes as long as a small search: only where they can matter.
    if any(guard.is_exceeded for guard in guards_of(grid, most, limits, limits.max_variants)):
        check_guards(grid, (await allowed_coverage(store, grid.request, settings.backtests)).bars, limits)


UNMEASURED_SCORES = 2_000
"""Variants that are ranked at once by another metric than the total return, whatever it costs: on a year of
minutes those take some seconds."""


def needs_measuring(grid: VariantGrid) -> bool:
    """Tell if only measuring says that a search is quick enough for a synchronous answer."""
    return grid.request.rank_by is not None and grid.evaluated > UNMEASURED_SCORES


def require_in_time(grid: VariantGrid, seconds: float, limits: ApiSettings) -> None:
    """Refuse a search that its caller would not live to see the end of.

    Raises:
        GuardExceeded: it would take longer than a synchronous answer may.
    """
    guard = Guard(name="seconds", number=round(seconds, 1), limit=limits.backtest_timeout_s)
    refuse_exceeded([guard], f"one synchronous answer ranked by {grid.ranked_by.id}")
