"""From the size of a grid and its measured costs to what is said of a request before it runs."""

from __future__ import annotations

from typing import Literal

from candleray.backtests.preflight import Guard, Pace, Preflight
from candleray.guards import guards_of
from candleray.search.costs import Costs
from candleray.search.variants import VariantGrid, request_hash
from candleray.settings import Settings


def guards_for(grid: VariantGrid, bars: int, settings: Settings) -> tuple[list[Guard], list[Guard]]:
    """The guards of a synchronous backtest, and those of a job."""
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
) -> Preflight:
    """
    Args:
        costs: None where a guard of jobs is exceeded and nothing was measured.
        fixed_s: what a synchronous search does beside searching: reading candles.
    """
    for_sync, for_job = guards_for(grid, bars, settings)
    core_s = None if costs is None else costs.total_s(grid)
    search_s = None if core_s is None else core_s / max(1, cpus) * pace.stretch
    sync_s = None if search_s is None else fixed_s + search_s
    job_s = None if search_s is None else pace.fixed_s + search_s
    if sync_s is not None and job_s is not None:
        for_sync.append(Guard(name="seconds", number=round(sync_s, 1), limit=settings.api.backtest_timeout_s))
        for_job.append(Guard(name="seconds", number=round(job_s, 1), limit=settings.jobs.max_seconds))
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
        violated_for_sync=sync_violated,
        violated_for_job=job_violated,
    )
