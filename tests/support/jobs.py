"""Jobs in Postgres as tests make them: one request, a driver's words, a job in any state."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np

from candleray.backtests.phase import Phase
from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult, Elapsed, RankedVariant
from candleray.databases.postgres import Postgres
from candleray.errors import ServiceUnavailable
from candleray.jobs.attempts import Attempts
from candleray.jobs.checkpoint import Checkpoint
from candleray.jobs.job import Job, JobState, Progress
from candleray.jobs.store import Jobs
from candleray.search.rankings import Ranking
from candleray.search.sweep import Sweep
from candleray.search.variants import VariantGrid, engine_params_hash, request_hash, resolve, sized_request
from candleray.settings import BacktestSettings, JobSettings

REQUEST = resolve(
    BacktestRequest.model_validate(
        {
            "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
            "timeframe": "1h",
            "time_range": {"start": "2025-01-01T00:00:00Z", "end": "2025-02-01T00:00:00Z"},
            "indicators": [{"id": "sma", "params": {"window": {"start": 5, "stop": 50, "step": 5}}}],
        }
    ),
    BacktestSettings(),
)
"""Ten variants."""
ENGINE = engine_params_hash(REQUEST, BacktestSettings())

LIMITS = JobSettings(
    heartbeat_s=1e-6, max_running=2, max_running_per_user=1, max_fruitless_attempts=3, lost_after_s=2
)

TABLES = ("jobs", "job_events", "job_checkpoints", "job_results", "job_report_blocks")


async def submitted(jobs: Jobs, user: UUID, key: str | None = None, request: BacktestRequest = REQUEST) -> Job:
    return await jobs.submit(user, sized_request(VariantGrid(request), BacktestSettings()), key)


def progress(done: int = 5) -> Progress:
    """A driver's words on so many variants."""
    return Progress(Phase.STAGE_A, done, 10, done, 100.0, 1.5, "candles", None)


def ranked_until(last: int) -> Checkpoint:
    """Rank the first so many variants."""
    sweep = Sweep(Phase.STAGE_A, 10, 3)
    best = np.arange(min(last, 3))
    sweep.add(0, last, Ranking(best, 3.0 - best, np.zeros(len(best), np.int64)))
    return Checkpoint("candles", ENGINE, (sweep,), {Phase.STAGE_A: 0.25})


def result(ranks: tuple[int, ...] = (1, 2), search_s: float = 1.0) -> BacktestResult:
    """An answer whose table has these ranks."""
    return BacktestResult(
        request=REQUEST,
        request_hash=request_hash(REQUEST),
        engine_params_hash=ENGINE,
        candles_hash="candles",
        bars=744,
        variants_total=10,
        variants_evaluated=10,
        elapsed_s=Elapsed(candles=0.5, planes=0.0, variants=search_s, reports=0.0, total=0.5 + search_s),
        top=tuple(
            RankedVariant(
                rank=rank,
                variant_index=10 - rank,
                total_return_pct=-float(rank),
                conflicting_signals=0,
                metrics={},
                table_md="",
                strategy={},
            )
            for rank in ranks
        ),
    )


async def moved_to(postgres: Postgres, user: UUID, state: JobState) -> Job:
    """A new job, moved to that state as a scheduler and a driver move it."""
    jobs, attempts = Jobs(postgres, LIMITS), Attempts(postgres, LIMITS)
    job = await submitted(jobs, user)
    if state is not JobState.QUEUED:
        assert await attempts.move(job.job_id, JobState.RUNNING, "its turn has come", 0)
        await attempts.heartbeat(job.job_id, 1, progress(4), ranked_until(4))
    if state is JobState.SUCCEEDED:
        await attempts.finish(job.job_id, 1, result())
    elif state not in (JobState.QUEUED, JobState.RUNNING):
        await attempts.move(job.job_id, state, "a test", 1, "why" if state is JobState.FAILED else None)
    return await jobs.get(user, job.job_id)


async def rows_of(postgres: Postgres, job_id: UUID) -> dict[str, list[dict[str, Any]]]:
    """Everything that is kept of a job, by table."""
    async with postgres.connection() as connection:
        return {
            table: [
                dict(row)
                for row in await connection.fetch(f"SELECT * FROM {table} WHERE job_id = $1 ORDER BY 1, 2", job_id)
            ]
            for table in TABLES
        }


async def change_job(postgres: Postgres, job_id: UUID, columns: str, *arguments: Any) -> None:
    """Bring about what only time, or a driver, would."""
    async with postgres.connection() as connection:
        await connection.execute(f"UPDATE jobs SET {columns} WHERE job_id = $1", job_id, *arguments)


async def silence(postgres: Postgres, job_id: UUID, seconds: float) -> None:
    """Its driver has said nothing for so long."""
    await change_job(postgres, job_id, "heartbeat_at = now() - make_interval(secs => $2)", seconds)


class Drivers:
    """A launcher that starts nothing and remembers what it was asked."""

    def __init__(self) -> None:
        self.started: list[tuple[UUID, int]] = []
        self.stopped: list[tuple[UUID, int]] = []
        self.gone: dict[tuple[UUID, int], str] = {}
        self.refuses = False

    async def start(self, job_id: UUID, attempt: int) -> None:
        if self.refuses:
            raise ServiceUnavailable("the dashboard does not answer")
        self.started.append((job_id, attempt))

    async def stop(self, job_id: UUID, attempt: int) -> None:
        self.stopped.append((job_id, attempt))

    async def ended(self) -> dict[tuple[UUID, int], str]:
        return self.gone
