"""Jobs in Postgres, each its user's own: submitted, listed, cancelled, deleted, and what they have found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice
from typing import Any
from uuid import UUID

from candleray.backtests.chance.null_model import NullModel
from candleray.backtests.preflight import Pace, SizedRequest
from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult, RankedVariant
from candleray.backtests.verdict import Verdict
from candleray.databases.postgres import Postgres, Transaction
from candleray.errors import Conflict, GuardExceeded, NotFound, Problem
from candleray.hashes import canonical_json
from candleray.jobs.checkpoint import Checkpoint
from candleray.jobs.job import NOT_LAUNCHED, Conclusion, Job, JobEvent, JobState
from candleray.jobs.report_blocks import REPORT_BYTES, unpacked
from candleray.logs import get_logger
from candleray.paging import PagePosition
from candleray.settings import JobSettings

log = get_logger("jobs")


class Jobs:
    def __init__(self, postgres: Postgres, limits: JobSettings) -> None:
        self._postgres = postgres
        self._limits = limits

    async def submit(self, user_id: UUID, sized: SizedRequest, key: str | None) -> Job:
        """A queued job of this request; with a key that was used before, the job it made then.

        Raises:
            Conflict: the key was used for another request.
            GuardExceeded: the user has too many jobs waiting.
        """
        new = (
            canonical_json(sized.request.model_dump(mode="json")).decode(),
            sized.request_hash,
            sized.engine_params_hash,
            sized.variants_total,
            sized.simulations,
        )
        assert sized.request.top_k is not None  # it is resolved
        may_keep = len(new[0]) + sized.request.top_k * REPORT_BYTES
        async with self._postgres.transaction() as transaction:
            # One after the other: the count holds, and a key makes one job.
            await transaction.fetch("lock_user", user_id)
            row = None if key is None else await transaction.fetch_one("job_of_key", user_id, key)
            is_new = row is None
            if row is None:
                await self._check_queue(transaction, user_id)
                await self._check_kept(transaction, user_id, may_keep)
                row = await transaction.fetch_one("create_job", user_id, key, *new, may_keep)
        assert row is not None
        if row["request_hash"] != sized.request_hash:
            raise Conflict(f"the idempotency key {key!r} belongs to another request, of job {row['job_id']}")
        if is_new:
            log.info("job_transition", job_id=str(row["job_id"]), to_state="queued", cause="submitted", attempt=0)
        return await self._job_of(row)

    async def _check_queue(self, transaction: Transaction, user_id: UUID) -> None:
        row = await transaction.fetch_one("count_queued", user_id)
        waiting, most = (row or {})["jobs"], self._limits.max_queued_per_user
        if waiting >= most:
            message = f"{waiting} of your jobs are waiting, at most {most} may: cancel some, or wait"
            raise GuardExceeded(message, [Problem("jobs", "over_the_limit", message)])

    async def _check_kept(self, transaction: Transaction, user_id: UUID, may_keep: int) -> None:
        row = await transaction.fetch_one("count_kept_bytes", user_id)
        kept, most = (row or {})["bytes"], self._limits.max_kept_bytes_per_user
        if kept + may_keep > most:
            message = (
                f"your jobs keep {kept} bytes and this one may keep {may_keep} more, at most {most} may be kept: "
                "delete some jobs, or ask for a smaller top_k"
            )
            raise GuardExceeded(message, [Problem("kept_bytes", "over_the_limit", message)])

    async def get(self, user_id: UUID, job_id: UUID) -> Job:
        """Raises NotFound where there is none of that id, or it is somebody else's."""
        return await self._job_of(await self._row(user_id, job_id))

    async def _row(self, user_id: UUID, job_id: UUID) -> dict[str, Any]:
        row = await self._postgres.fetch_one("get_job", job_id, user_id)
        if row is None:
            raise NotFound(f"there is no job {job_id}")
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
        return await self._jobs_of(await self._postgres.fetch("list_jobs", user_id, wanted, at, job_id, limit))

    async def events(self, job_id: UUID) -> list[JobEvent]:
        return [JobEvent(**row) for row in await self._postgres.fetch("job_events", job_id)]

    async def cancel(self, user_id: UUID, job_id: UUID) -> Job:
        """Ask the job's driver to stop; the scheduler cancels a job without one. Asking again changes nothing.

        Raises:
            NotFound: there is none of that id, or it is somebody else's.
            Conflict: it has ended otherwise.
        """
        row = await self._postgres.fetch_one("ask_to_cancel", job_id, user_id)
        if row is None:
            row = await self._row(user_id, job_id)
            if row["state"] != JobState.CANCELLED:
                raise Conflict(f"job {job_id} has {row['state']} and cannot be cancelled any more")
        return await self._job_of(row)

    async def delete(self, user_id: UUID, job_id: UUID) -> None:
        """Forget an ended job with everything it found.

        Raises:
            NotFound: there is none of that id, or it is somebody else's.
            Conflict: it has not ended.
        """
        if await self._postgres.fetch_one("delete_job", job_id, user_id) is None:
            state = (await self._row(user_id, job_id))["state"]
            raise Conflict(f"job {job_id} is {state}: cancel it before it is deleted")

    async def reports(self, job_id: UUID, limit: int) -> list[RankedVariant]:
        """The best variants of a job that has succeeded."""
        return [RankedVariant.model_validate_json(report) for report in await self._reports(job_id, limit)]

    async def _reports(self, job_id: UUID, limit: int | None) -> list[str]:
        blocks = await self._postgres.fetch("read_report_blocks", job_id, limit)
        if blocks:
            return list(islice(unpacked(block["content"] for block in blocks), limit))
        return [row["content"] for row in await self._postgres.fetch("read_report_rows", job_id, limit)]

    async def checkpoint(self, job_id: UUID) -> Checkpoint | None:
        saved = await self._postgres.fetch_one("read_checkpoint", job_id)
        return Checkpoint.from_bytes(saved["content"]) if saved else None

    async def result(self, user_id: UUID, job_id: UUID) -> BacktestResult:
        """The answer of a job that has succeeded.

        Raises:
            NotFound: there is none of that id, or it is somebody else's.
            Conflict: the job has not succeeded.
        """
        row = await self._row(user_id, job_id)
        content = await self._postgres.fetch_one("read_result", job_id)
        if content is None:
            raise Conflict(f"job {job_id} is {row['state']}: only one that has succeeded has a result")
        top = ",".join(await self._reports(job_id, None))
        return BacktestResult.model_validate_json(f'{content["content"][:-1]},"top":[{top}]}}')

    async def conclusion(self, job_id: UUID) -> Conclusion:
        """The notes, the verdict and the histories of chance of a result, without its reports."""
        row = await self._postgres.fetch_one("read_result", job_id)
        if row is None:
            return Conclusion()
        content = json.loads(row["content"])
        verdict, luck = content.get("verdict"), content.get("luck")
        return Conclusion(
            tuple(content["notes"]),
            verdict and Verdict.model_validate(verdict),
            luck and NullModel.model_validate(luck),
        )

    async def pace(self) -> Pace:
        """The medians of the newest jobs that have succeeded."""
        row = await self._postgres.fetch_one("job_pace") or {}
        return Pace(**{name: median for name, median in row.items() if median is not None})

    async def _job_of(self, row: dict[str, Any]) -> Job:
        return (await self._jobs_of([row]))[0]

    async def _jobs_of(self, rows: Sequence[dict[str, Any]]) -> list[Job]:
        waiting = [row["job_id"] for row in rows if _waits(row)]
        others = await self._postgres.fetch("unfinished_jobs") if waiting else []
        queue = await self._postgres.fetch("job_queue", None, None, None) if waiting else []
        places = {row["job_id"]: before for before, row in enumerate(queue)}
        told = await self._postgres.fetch("last_transitions", waiting) if waiting else []
        last = {row["job_id"]: row for row in told}
        return [
            Job(
                **{name: row[name] for name in Job.model_fields if name in row},
                **_market(row["request"]),
                waiting_for=_waiting_for(
                    row, others, places.get(row["job_id"], 0), last.get(row["job_id"]), self._limits
                ),
            )
            for row in rows
        ]


MOMENT_S = 15.0
"""Longest time to a driver's first word on a machine that works: 5 s, and three times that where it is busy."""


def _market(request: str) -> dict[str, Any]:
    """The market and timeframe of a request, by which a person knows a job again."""
    content = json.loads(request)
    return {name: content[name] for name in ("instrument", "timeframe")}


def _waits(row: dict[str, Any]) -> bool:
    """Tells whether it is queued, or its driver has not reported yet."""
    state: str = row["state"]
    return state == JobState.QUEUED or (state == JobState.RUNNING and bool(row["phase"] == "queued"))


def _waiting_for(
    row: dict[str, Any],
    others: Sequence[dict[str, Any]],
    before: int,
    last: dict[str, Any] | None,
    limits: JobSettings,
) -> str | None:
    """The reason a job does not run yet.

    Args:
        others: all jobs that have not ended.
        before: how many of those that wait the scheduler would start first.
        last: its last transition.
    """
    if not _waits(row):
        return None
    since_s = last["since_s"] if last else 0.0
    if row["state"] == JobState.RUNNING:
        late = f"its driver was started {since_s:.0f} s ago and has not reported yet; a silent one is replaced"
        return late if since_s > MOMENT_S else None
    running = [other for other in others if other["state"] == JobState.RUNNING]
    mine = [str(other["job_id"]) for other in running if other["user_id"] == row["user_id"]]
    if len(mine) >= limits.max_running_per_user:
        return f"your job {mine[0]} runs, and one user may run {limits.max_running_per_user} at once"
    if len(running) >= limits.max_running:
        return f"{len(running)} jobs run, the most at once; waiting before this one: {before}"
    if last and last["cause"].startswith(NOT_LAUNCHED):
        return f"{last['cause']}; the scheduler tries again"
    if since_s > MOMENT_S:
        return (
            f"it has waited for {since_s:.0f} s, and no job is before it any more: where it goes on waiting, "
            "`candleray status` shows what is down"
        )
    return "it starts in a moment"
