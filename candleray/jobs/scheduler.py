"""The scheduler of jobs: starts those whose turn it is, replaces drivers that were lost, forgets what is old.

Every step starts from what Postgres says, so that it may be killed at any line and another one goes on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol
from uuid import UUID

from candleray.errors import CandlerayError
from candleray.jobs.attempts import Attempts
from candleray.jobs.database_clock import DatabaseClock
from candleray.jobs.job import NOT_LAUNCHED, JobState, UnfinishedJob
from candleray.logs import get_logger
from candleray.settings import JobSettings

log = get_logger("scheduler")

LAUNCH_S = 90.0
"""Longest time to a driver's first heartbeat: it takes 5 s, and many times that while everything is starting."""

QUIET_HEARTBEATS = 3
"""Heartbeats that a driver may miss before Ray is asked about it: to ask each step takes a twentieth of a core."""


class Launcher(Protocol):
    """Starts and stops drivers; each is one attempt at one job. Raises `ServiceUnavailable` where it cannot."""

    async def start(self, job_id: UUID, attempt: int) -> None: ...

    async def stop(self, job_id: UUID, attempt: int) -> None:
        """Returns when that driver is gone; it may never have been there."""
        ...

    async def ended(self) -> Mapping[tuple[UUID, int], str]:
        """The attempts whose driver has ended, and how, as the end of a sentence about it."""
        ...


class Scheduler:
    def __init__(
        self, attempts: Attempts, launcher: Launcher, limits: JobSettings, clock: DatabaseClock | None = None
    ) -> None:
        """
        Args:
            clock: the database's, as a former scheduler has seen it.
        """
        self._attempts = attempts
        self._launcher = launcher
        self._limits = limits
        self._clock = clock or DatabaseClock()

    async def step(self) -> None:
        """
        Raises:
            ServiceUnavailable: Postgres or the launcher does not answer; the next step does what this one did not.
        """
        unfinished = await self._unfinished()
        waiting = [job for job in unfinished if job.state == JobState.QUEUED]
        for job in waiting:
            if job.cancel_requested:
                await self._attempts.move(job.job_id, JobState.CANCELLED, "cancelled by its user before it ran")
        quiet_s = QUIET_HEARTBEATS * self._limits.heartbeat_s
        quiet = [job for job in unfinished if job.state == JobState.RUNNING and job.silent_s > quiet_s]
        if quiet:
            await self._replace_lost(quiet)
        if waiting or quiet:  # else there is nothing to ask Postgres for, three times a second
            while taken := await self._attempts.take_next():
                await self._launch(*taken)

    async def _unfinished(self) -> list[UnfinishedJob]:
        """The jobs that wait or run. Where the clock was put, every driver counts as heard of just now."""
        unfinished = await self._attempts.unfinished()
        if not unfinished:
            return unfinished
        if forward_s := self._clock.put_forward_s(unfinished[0].now_s):
            log.warning("clock_was_put", forward_s=round(forward_s, 1))
            await self._attempts.count_silence_anew()
            unfinished = await self._attempts.unfinished()
        # Accepted only now: where Postgres has failed above, the next step has to see it once more.
        if unfinished:
            self._clock.accept(unfinished[0].now_s)
        return unfinished

    async def forget_old(self) -> None:
        for job_id in await self._attempts.delete_old():
            log.info("job_forgotten", job_id=str(job_id), keep_days=self._limits.keep_days)

    async def _replace_lost(self, quiet: Collection[UnfinishedJob]) -> None:
        # Ray is asked before the rows are read again: a driver that had ended by then had written its end.
        ended = await self._launcher.ended()
        # A driver that has spoken since then lives, however long Ray took to answer.
        silent = {(job.job_id, job.attempt) for job in quiet}
        for job in await self._attempts.unfinished():
            attempt = job.job_id, job.attempt
            if job.state != JobState.RUNNING or attempt not in silent:
                continue
            if attempt in ended:
                await self._replace(job, f"its driver {ended[attempt]}")
            elif job.silent_s > (LAUNCH_S if job.is_launching else self._limits.lost_after_s):
                await self._replace(job, f"its driver has said nothing for {job.silent_s:.1f} s")

    async def _replace(self, job: UnfinishedJob, cause: str) -> None:
        # Stopped first: two drivers of one job never run at once.
        await self._launcher.stop(job.job_id, job.attempt)
        move, most = self._attempts.move, self._limits.max_fruitless_attempts
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
            # The job waits as before. A driver that came to be after all is fenced off by its attempt's number.
            await self._attempts.put_back(job_id, attempt, f"{NOT_LAUNCHED}: {error.message}")
            raise
