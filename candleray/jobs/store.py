"""Jobs in Postgres: what a person asks of them, and what their scheduler and driver write (R5.1)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult, RankedVariant
from candleray.databases.postgres import Postgres, Transaction
from candleray.errors import Conflict, GuardExceeded, NotFound, Problem
from candleray.hashes import canonical_json
from candleray.jobs.checkpoint import Checkpoint
from candleray.jobs.job import Job, JobEvent, JobState, sources
from candleray.logs import get_logger
from candleray.paging import PagePosition
from candleray.search.estimate import Pace
from candleray.search.variants import VariantGrid, engine_params_hash, request_hash
from candleray.settings import JobSettings
from candleray.stores.job_rows import waiting_for

log = get_logger("jobs")


@dataclass(frozen=True)
class Progress:
    """What a driver tells with every heartbeat."""

    phase: str
    done: int
    total: int
    variants_done: int
    variants_per_s: float | None
    best_total_return_pct: float | None
    candles_hash: str | None
    expected_s: float | None
    """What the driver expected of the search, once it had measured it."""
    tasks_done: int = 0
    tasks_total: int = 0
    eta_s: float | None = None


@dataclass(frozen=True)
class UnfinishedJob:
    """What the scheduler looks at: whether one waits, whether the driver of another is still there."""

    job_id: UUID
    state: JobState
    attempt: int
    fruitless: int
    """Attempts in a row, this one among them, whose checkpoints covered nothing new."""
    cancel_requested: bool
    phase: str
    silent_s: float

    @property
    def is_launching(self) -> bool:
        """Its driver has not spoken yet."""
        return self.phase == "queued"


class Superseded(Exception):  # not an error that a person meets
    """Another attempt has taken the job over, or it has ended: this driver must stop and write nothing."""


class Jobs:
    def __init__(self, postgres: Postgres, limits: JobSettings) -> None:
        self._postgres = postgres
        self._limits = limits

    async def submit(self, user_id: UUID, request: BacktestRequest, key: str | None, warmup_bars: int) -> Job:
        """A queued job of this resolved request; with a key that was used before, the job it made then.

        Raises:
            Conflict: the key was used for another request.
            GuardExceeded: the user has too many jobs waiting.
        """
        grid, name = VariantGrid(request), request_hash(request)
        new = (
            canonical_json(request.model_dump(mode="json")).decode(),
            name,
            engine_params_hash(request, warmup_bars),
            grid.size,
            grid.simulations,
        )
        async with self._postgres.transaction() as transaction:
            # One after the other: the count holds, and a key makes one job.
            await transaction.fetch("lock_user", user_id)
            row = None if key is None else await transaction.fetch_one("job_of_key", user_id, key)
            is_new = row is None
            if row is None:
                await self._check_queue(transaction, user_id)
                row = await transaction.fetch_one("create_job", user_id, key, *new)
        assert row is not None
        if row["request_hash"] != name:
            raise Conflict(f"the idempotency key {key!r} belongs to another request, of job {row['job_id']}")
        if is_new:
            log.info("job_transition", job_id=str(row["job_id"]), to_state="queued", cause="submitted", attempt=0)
        return await self._told(row)

    async def _check_queue(self, transaction: Transaction, user_id: UUID) -> None:
        row = await transaction.fetch_one("count_queued", user_id)
        waiting, most = (row or {})["jobs"], self._limits.max_queued_per_user
        if waiting >= most:
            message = f"{waiting} of your jobs are waiting, at most {most} may: cancel some, or wait"
            raise GuardExceeded(message, [Problem("jobs", "over_the_limit", message)])

    async def get(self, user_id: UUID, job_id: UUID) -> Job:
        """
        Raises:
            NotFound: there is none of that id, or it is somebody else's.
        """
        return await self._told(await self._row(user_id, job_id))

    async def _row(self, user_id: UUID, job_id: UUID) -> dict[str, Any]:
        row = await self._postgres.fetch_one("get_job", job_id, user_id)
        if row is None:
            raise unknown_job(job_id)
        return row

    async def request(self, user_id: UUID, job_id: UUID) -> BacktestRequest:
        """The resolved request."""
        return BacktestRequest.model_validate_json((await self._row(user_id, job_id))["request"])

    async def page(
        self,
        user_id: UUID,
        states: Sequence[JobState] | None,
        before: PagePosition | None,
        limit: int,
    ) -> list[Job]:
        """The newest first, those created before `before`."""
        at, job_id = before or (None, None)
        wanted = [state.value for state in states] if states else None
        return await self._told_all(await self._postgres.fetch("list_jobs", user_id, wanted, at, job_id, limit))

    async def events(self, job_id: UUID) -> list[JobEvent]:
        return [JobEvent(**row) for row in await self._postgres.fetch("job_events", job_id)]

    async def cancel(self, user_id: UUID, job_id: UUID) -> Job:
        """Ask its driver to stop; a job that waits, or has lost its driver, is cancelled by the scheduler.

        Asking again changes nothing.

        Raises:
            Conflict: it has ended otherwise.
        """
        row = await self._postgres.fetch_one("ask_to_cancel", job_id, user_id)
        if row is None:
            row = await self._row(user_id, job_id)
            if row["state"] != JobState.CANCELLED:
                raise Conflict(f"job {job_id} has {row['state']} and cannot be cancelled any more")
        return await self._told(row)

    async def delete(self, user_id: UUID, job_id: UUID) -> None:
        """Forget an ended job with everything it found.

        Raises:
            Conflict: it has not ended.
        """
        if await self._postgres.fetch_one("delete_job", job_id, user_id) is None:
            state = (await self._row(user_id, job_id))["state"]
            raise Conflict(f"job {job_id} is {state}: cancel it before it is deleted")

    async def move(
        self, job_id: UUID, target: JobState, cause: str, attempt: int | None = None, error: str | None = None
    ) -> dict[str, Any] | None:
        """Make a transition that `NEXT` allows, with its event; None where the job is not in such a state.

        Args:
            attempt: the job must be at this attempt.
        """
        arguments = (job_id, sources(target), target.value, attempt, cause, error)
        row = await self._postgres.fetch_one("move_job", *arguments)
        _log_move(row, cause)
        return row

    # What a driver needs.

    async def job_to_run(self, job_id: UUID, attempt: int) -> tuple[BacktestRequest, Checkpoint | None]:
        """
        Raises:
            Superseded: the job is no longer at this attempt.
        """
        row = await self._postgres.fetch_one("running_job", job_id, attempt)
        if row is None:
            raise Superseded(f"job {job_id} is not at attempt {attempt}")
        saved = await self._postgres.fetch_one("read_checkpoint", job_id)
        checkpoint = Checkpoint.from_bytes(saved["content"]) if saved else None
        return BacktestRequest.model_validate_json(row["request"]), checkpoint

    async def tell(
        self, job_id: UUID, attempt: int, progress: Progress, checkpoint: Checkpoint | None = None
    ) -> bool:
        """The driver's heartbeat, with a checkpoint now and then; whether the job is to be cancelled.

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
                raise Superseded(f"job {job_id} is not at attempt {attempt}")
            if checkpoint:
                await transaction.fetch("save_checkpoint", job_id, checkpoint.to_bytes())
        return bool(row["cancel_requested"])

    async def finish(self, job_id: UUID, attempt: int, result: BacktestResult) -> None:
        """The answer and the last transition, together.

        Raises:
            Superseded: the job is no longer at this attempt.
        """
        cause = "every variant is ranked and reported"
        async with self._postgres.transaction() as transaction:
            row = await transaction.fetch_one(
                "move_job", job_id, sources(JobState.SUCCEEDED), JobState.SUCCEEDED, attempt, cause, None
            )
            if row is None:
                raise Superseded(f"job {job_id} is not at attempt {attempt}")
            await _save_answer(transaction, job_id, result)
        _log_move(row, cause)

    # What has been found.

    async def reports(self, job_id: UUID, limit: int) -> list[RankedVariant]:
        """The best variants of a job that has succeeded."""
        rows = await self._postgres.fetch("read_reports", job_id, limit)
        return [RankedVariant.model_validate_json(row["content"]) for row in rows]

    async def checkpoint(self, job_id: UUID) -> Checkpoint | None:
        saved = await self._postgres.fetch_one("read_checkpoint", job_id)
        return Checkpoint.from_bytes(saved["content"]) if saved else None

    async def result(self, user_id: UUID, job_id: UUID) -> BacktestResult:
        """
        Raises:
            Conflict: the job has not succeeded.
        """
        row = await self._row(user_id, job_id)
        content = await self._postgres.fetch_one("read_result", job_id)
        if content is None:
            raise Conflict(f"job {job_id} is {row['state']}: only one that has succeeded has a result")
        reports = await self._postgres.fetch("read_reports", job_id, None)
        top = ",".join(report["content"] for report in reports)
        return BacktestResult.model_validate_json(f'{content["content"][:-1]},"top":[{top}]}}')

    async def pace(self) -> Pace:
        """As the newest jobs had it."""
        row = await self._postgres.fetch_one("job_pace") or {}
        return Pace(**{name: median for name, median in row.items() if median is not None})

    # What the scheduler needs.

    async def take_next(self) -> tuple[UUID, int] | None:
        """Move the next queued job to running; its id and attempt, or None where none may start."""
        limits = self._limits
        cause = "its turn has come"
        async with self._postgres.transaction() as transaction:
            await transaction.fetch("lock_schedule")
            found = await transaction.fetch_one("next_job", limits.max_running, limits.max_running_per_user)
            if found is None:
                return None
            row = await transaction.fetch_one(
                "move_job",
                found["job_id"],
                sources(JobState.RUNNING),
                JobState.RUNNING,
                found["attempt"],
                cause,
                None,
            )
        _log_move(row, cause)
        return (row["job_id"], row["attempt"]) if row else None

    async def put_back(self, job_id: UUID, attempt: int, cause: str) -> None:
        """Queue a job again whose driver could not be started; the attempt does not count against it."""
        if await self.move(job_id, JobState.QUEUED, cause, attempt):
            await self._postgres.fetch("forgive_launch", job_id)

    async def unfinished(self) -> list[UnfinishedJob]:
        names = {field.name for field in fields(UnfinishedJob)}
        rows = await self._postgres.fetch("unfinished_jobs")
        return [
            UnfinishedJob(**{name: row[name] for name in names - {"state"}}, state=JobState(row["state"]))
            for row in rows
        ]

    async def count_by_state(self) -> dict[str, int]:
        return {row["state"]: row["jobs"] for row in await self._postgres.fetch("count_jobs_by_state")}

    async def delete_old(self) -> list[UUID]:
        rows = await self._postgres.fetch("delete_old_jobs", self._limits.keep_days * 86_400.0)
        return [row["job_id"] for row in rows]

    async def _told(self, row: dict[str, Any]) -> Job:
        return (await self._told_all([row]))[0]

    async def _told_all(self, rows: Sequence[dict[str, Any]]) -> list[Job]:
        waits = any(row["state"] == JobState.QUEUED for row in rows)
        others = await self._postgres.fetch("unfinished_jobs") if waits else []
        return [
            Job(
                **{name: row[name] for name in Job.model_fields if name in row},
                waiting_for=waiting_for(row, others, self._limits),
            )
            for row in rows
        ]


async def _save_answer(transaction: Transaction, job_id: UUID, result: BacktestResult) -> None:
    whole = json.dumps(result.model_dump(mode="json", exclude={"top"}), separators=(",", ":"))
    reports = [variant.model_dump_json() for variant in result.top]
    await transaction.fetch("save_result", job_id, whole)
    await transaction.fetch("drop_reports", job_id)
    await transaction.fetch("save_reports", job_id, [variant.rank for variant in result.top], reports)
    await transaction.fetch("drop_checkpoint", job_id)


def unknown_job(job_id: UUID) -> NotFound:
    return NotFound(f"there is no job {job_id}")


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
