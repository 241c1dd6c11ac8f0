"""From the size of a grid and its measured costs to what is said of a request before it runs."""

from __future__ import annotations

from typing import Literal

from candleray.calibration import Costs
from candleray.guards import guards_of
from candleray.preflight import Guard, Preflight
from candleray.settings import Settings
from candleray.variants import VariantGrid, request_hash

LAUNCH_S = 5.0
"""From a job's turn to its driver's first work, until jobs of this instance have shown theirs."""


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
    launch_s: float,
) -> Preflight:
    """
    Args:
        costs: None where a guard of jobs is exceeded and nothing was measured.
        fixed_s: what does not shrink with more cores, as reading candles.
        launch_s: what a job takes before it begins.
    """
    for_sync, for_job = guards_for(grid, bars, settings)
    core_s = None if costs is None else costs.total_s(grid)
    search_s = None if core_s is None else fixed_s + core_s / max(1, cpus)
    if search_s is not None:
        for_sync.append(Guard(name="seconds", number=round(search_s, 1), limit=settings.api.backtest_timeout_s))
        for_job.append(Guard(name="seconds", number=round(search_s, 1), limit=settings.jobs.max_seconds))
    sync_violated = tuple(guard for guard in for_sync if guard.is_exceeded)
    job_violated = tuple(guard for guard in for_job if guard.is_exceeded)
    mode: Literal["sync", "job", "refused"] = "refused" if job_violated else "job" if sync_violated else "sync"
    estimated_s = search_s if search_s is None or mode != "job" else search_s + launch_s
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
        mode=mode,
        violated_for_sync=sync_violated,
        violated_for_job=job_violated,
    )
