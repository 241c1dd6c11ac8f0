"""The scheduler of jobs: starts those whose turn it is, replaces drivers that were lost, forgets what is old.

Every step starts from what Postgres says, so that it may be killed at any line and another one goes on.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol
from uuid import UUID

from candleray.errors import CandlerayError
from candleray.jobs.job import JobState
from candleray.jobs.store import Jobs, UnfinishedJob
from candleray.logs import get_logger
from candleray.settings import JobSettings

log = get_logger("scheduler")

LAUNCH_S = 90.0
"""How long a driver may take to its first word: 5 s, many times that on a machine that is starting everything."""

QUIET_HEARTBEATS = 3
"""A driver that was heard since lives: asking Ray for each step takes a twentieth of a core from its search."""


class Launcher(Protocol):
    """Starts and stops drivers; each is one attempt at one job. Raises `ServiceUnavailable` where it cannot."""

    async def start(self, job_id: UUID, attempt: int) -> None: ...

    async def stop(self, job_id: UUID, attempt: int) -> None:
        """Returns when that driver is gone; it may never have been there."""
        ...

    async def ended(self) -> Collection[tuple[UUID, int]]:
        """The attempts whose driver has ended."""
        ...


class Scheduler:
    def __init__(self, jobs: Jobs, launcher: Launcher, limits: JobSettings) -> None:
        self._jobs = jobs
        self._launcher = launcher
        self._limits = limits

    async def step(self) -> None:
        """
        Raises:
            ServiceUnavailable: Postgres or the launcher does not answer; the next step does what this one did not.
        """
        unfinished = await self._jobs.unfinished()
        waiting = [job for job in unfinished if job.state == JobState.QUEUED]
        for job in waiting:
            if job.cancel_requested:
                await self._jobs.move(job.job_id, JobState.CANCELLED, "cancelled by its user before it ran")
        quiet_s = QUIET_HEARTBEATS * self._limits.heartbeat_s
        quiet = [job for job in unfinished if job.state == JobState.RUNNING and job.silent_s > quiet_s]
        if quiet:
            await self._replace_lost(quiet)
        if waiting or quiet:  # else there is nothing to ask Postgres for, three times a second
            while taken := await self._jobs.take_next():
                await self._launch(*taken)

    async def forget_old(self) -> None:
        for job_id in await self._jobs.delete_old():
            log.info("job_forgotten", job_id=str(job_id), keep_days=self._limits.keep_days)

    async def _replace_lost(self, quiet: Collection[UnfinishedJob]) -> None:
        # Asked for after the rows were read: a driver that ended since then has written its end before.
        ended = await self._launcher.ended()
        # A driver that has spoken since then lives, however long Ray took to answer.
        identities = {(job.job_id, job.attempt) for job in quiet}
        for job in await self._jobs.unfinished():
            identity = job.job_id, job.attempt
            if job.state != JobState.RUNNING or identity not in identities:
                continue
            if identity in ended:
                await self._replace(job, "its driver has ended")
            elif job.silent_s > (LAUNCH_S if job.is_launching else self._limits.lost_after_s):
                await self._replace(job, f"its driver has said nothing for {job.silent_s:.1f} s")

    async def _replace(self, job: UnfinishedJob, cause: str) -> None:
        # First of all that it is gone: nothing runs twice at once.
        await self._launcher.stop(job.job_id, job.attempt)
        move, most = self._jobs.move, self._limits.max_fruitless_attempts
        if job.cancel_requested:
            await move(job.job_id, JobState.CANCELLED, f"cancelled by its user; {cause}", job.attempt)
        elif job.fruitless >= most:
            error = f"{most} drivers in a row ended without having ranked a variant; the last: {cause}"
            await move(job.job_id, JobState.FAILED, cause, job.attempt, error)
        else:
            await move(job.job_id, JobState.QUEUED, cause, job.attempt)

    async def _launch(self, job_id: UUID, attempt: int) -> None:
        try:
            await self._launcher.start(job_id, attempt)
        except CandlerayError as error:
            # It waits as before; whether a driver came to be after all, the next attempt finds out.
            await self._jobs.put_back(job_id, attempt, f"not launched: {error.message}")
            raise
