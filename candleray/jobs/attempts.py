"""Attempts at jobs in Postgres: what the scheduler starts and a driver reports, each fenced by its number."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult
from candleray.databases.postgres import Postgres, Transaction
from candleray.errors import first_line
from candleray.jobs.checkpoint import Checkpoint
from candleray.jobs.job import ENDED, JobState, Progress, Superseded, UnfinishedJob, sources
from candleray.jobs.report_blocks import packed
from candleray.logs import get_logger
from candleray.settings import JobSettings
from candleray.trials.store import count_result, record
from candleray.trials.trial import TriedGrid

log = get_logger("jobs")


class Attempts:
    def __init__(self, postgres: Postgres, limits: JobSettings) -> None:
        self._postgres = postgres
        self._limits = limits

    async def move(
        self, job_id: UUID, target: JobState, cause: str, attempt: int | None = None, error: str | None = None
    ) -> bool:
        """Make a transition that `NEXT` allows, with its event; False where the job is not in such a state.

        Args:
            attempt: the job must be at this attempt.
        """
        async with self._postgres.transaction() as transaction:
            row = await _move(transaction, job_id, target, cause, attempt, error)
            if row and target in ENDED and row["variants_done"]:  # its best so far could be seen
                await _record_part(transaction, row)
        _log_move(row, cause)
        return row is not None

    async def take_next(self) -> tuple[UUID, int] | None:
        """Move the next queued job to running; its id and attempt, or None where none may start."""
        limits, cause = self._limits, "its turn has come"
        async with self._postgres.transaction() as transaction:
            await transaction.fetch("lock_schedule")
            next_job = await transaction.fetch_one("job_queue", limits.max_running, limits.max_running_per_user, 1)
            if next_job is None:
                return None
            row = await _move(transaction, next_job["job_id"], JobState.RUNNING, cause, next_job["attempt"])
        _log_move(row, cause)
        return (row["job_id"], row["attempt"]) if row else None

    async def put_back(self, job_id: UUID, attempt: int, cause: str) -> None:
        """Queue a job again whose driver could not be started; the attempt does not count against it."""
        async with self._postgres.transaction() as transaction:
            row = await _move(transaction, job_id, JobState.QUEUED, cause, attempt)
            if row:
                await transaction.fetch("forgive_launch", job_id)
        _log_move(row, cause)

    async def unfinished(self) -> list[UnfinishedJob]:
        """The jobs that wait or run, the oldest first."""
        names = [field.name for field in fields(UnfinishedJob) if field.name != "state"]
        rows = await self._postgres.fetch("unfinished_jobs")
        return [UnfinishedJob(**{name: row[name] for name in names}, state=JobState(row["state"])) for row in rows]

    async def count_silence_anew(self) -> None:
        """Take every driver as heard of just now."""
        await self._postgres.fetch("count_silence_anew")

    async def job_to_run(self, job_id: UUID, attempt: int) -> tuple[BacktestRequest, Checkpoint | None]:
        """The resolved request of a running job, and the checkpoint that former attempts have left.

        Raises:
            Superseded: the job is no longer at this attempt.
        """
        row = await self._postgres.fetch_one("running_job", job_id, attempt)
        if row is None:
            raise _superseded(job_id, attempt)
        saved = await self._postgres.fetch_one("read_checkpoint", job_id)
        checkpoint = Checkpoint.from_bytes(saved["content"]) if saved else None
        return BacktestRequest.model_validate_json(row["request"]), checkpoint

    async def heartbeat(
        self, job_id: UUID, attempt: int, progress: Progress, checkpoint: Checkpoint | None = None
    ) -> bool:
        """Record how far the driver is, with a checkpoint now and then; True where the job is to be cancelled.

        Raises:
            Superseded: the job is no longer at this attempt.
        """
        async with self._postgres.transaction() as transaction:
            row = await transaction.fetch_one(
                "heartbeat_job",
                job_id,
                attempt,
                progress.phase,
                progress.done,
                progress.total,
                progress.variants_done,
                progress.variants_per_s,
                progress.best_total_return_pct,
                progress.candles_hash,
                progress.expected_s,
                progress.tasks_done,
                progress.tasks_total,
                progress.eta_s,
                progress.variants_done if checkpoint else None,
            )
            if row is None:
                raise _superseded(job_id, attempt)
            if checkpoint:
                await transaction.fetch("save_checkpoint", job_id, checkpoint.to_bytes())
        return bool(row["cancel_requested"])

    async def finish(self, job_id: UUID, attempt: int, result: BacktestResult) -> None:
        """Save the answer and make the last transition, together.

        Raises:
            Superseded: the job is no longer at this attempt.
        """
        cause = "every variant is ranked and reported"
        async with self._postgres.transaction() as transaction:
            row = await _move(transaction, job_id, JobState.SUCCEEDED, cause, attempt)
            if row is None:
                raise _superseded(job_id, attempt)
            await _save_answer(
                transaction, job_id, await count_result(transaction, row["user_id"], job_id, result)
            )
        _log_move(row, cause)

    async def count_by_state(self) -> dict[str, int]:
        return {row["state"]: row["jobs"] for row in await self._postgres.fetch("count_jobs_by_state")}

    async def delete_old(self) -> list[UUID]:
        """Forget the jobs that ended longer ago than the settings keep them; their ids."""
        rows = await self._postgres.fetch("delete_old_jobs", self._limits.keep_days * 86_400.0)
        return [row["job_id"] for row in rows]


async def _move(
    store: Postgres | Transaction,
    job_id: UUID,
    target: JobState,
    cause: str,
    attempt: int | None,
    error: str | None = None,
) -> dict[str, Any] | None:
    return await store.fetch_one("move_job", job_id, sources(target), target.value, attempt, cause, error)


async def _record_part(transaction: Transaction, job: Mapping[str, Any]) -> None:
    """Put a job on the record of trials that ended before it had tried everything."""
    try:
        request = BacktestRequest.model_validate_json(job["request"])
    except ValidationError as error:  # of a version that knew other fields; that must not keep a job from ending
        log.warning("trial_not_recorded", job_id=str(job["job_id"]), reason=first_line(error))
        return
    tried = TriedGrid.of(request, job["request_hash"], job["variants_done"])
    await record(transaction, job["user_id"], job["job_id"], tried)


def _log_move(row: dict[str, Any] | None, cause: str) -> None:
    if row:
        log.info(
            "job_transition",
            job_id=str(row["job_id"]),
            from_state=row["from_state"],
            to_state=row["state"],
            attempt=row["attempt"],
            cause=cause,
        )


def _superseded(job_id: UUID, attempt: int) -> Superseded:
    return Superseded(f"job {job_id} is not at attempt {attempt}")


async def _save_answer(transaction: Transaction, job_id: UUID, result: BacktestResult) -> None:
    whole = json.dumps(result.model_dump(mode="json", exclude={"top"}), separators=(",", ":"))
    reports = [variant.model_dump_json() for variant in result.top]
    await transaction.fetch("save_result", job_id, whole)
    await transaction.fetch("drop_reports", job_id)
    blocks = packed(reports)
    await transaction.fetch("save_reports", job_id, [rank for rank, _ in blocks], [block for _, block in blocks])
    await transaction.fetch("drop_checkpoint", job_id)
    if result.top:  # the last heartbeat may have been before the best one was found
        await transaction.fetch("tell_best", job_id, result.top[0].total_return_pct)
    await transaction.fetch("count_what_job_keeps", job_id)
