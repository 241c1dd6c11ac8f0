"""Metrics of jobs, exported by Ray on the node's metrics port."""

from __future__ import annotations

import time
from datetime import datetime
from uuid import UUID

from ray.util.metrics import Counter, Gauge, Histogram

from candleray.databases.postgres import Postgres
from candleray.jobs.attempts import Attempts
from candleray.jobs.job import JobState
from candleray.jobs.watched import WatchedJob, database_now, watched_jobs

_PHASE_S = [0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0]


class JobMetrics:
    """Counters that start at 0 with the scheduler's process, which outlives every driver."""

    def __init__(self) -> None:
        self._by_state = Gauge("candleray_jobs", "Jobs by state.", ("state",))
        self._variants = Counter("candleray_job_variants", "Variants ranked by jobs.")
        self._rate = Gauge("candleray_job_variants_per_second", "Variants a second of the jobs that run.")
        self._checkpoint = Gauge(
            "candleray_job_checkpoint_age_seconds", "The longest since a running job's checkpoint."
        )
        self._retries = Counter("candleray_job_retries", "Drivers that took a job up after another was lost.")
        self._phases = Histogram("candleray_job_phase_seconds", "Duration of a phase.", _PHASE_S, ("phase",))
        self._pruned = Counter("candleray_job_pruned", "Variants that a limit ended, by reason.", ("reason",))
        self._seen: dict[UUID, WatchedJob] = {}
        self._ended_until: datetime | None = None
        self.drivers_beaten_s: float | None = None
        """Time of the oldest of the last beats of running jobs' drivers; where none runs, of the last look."""

    async def observe(self, attempts: Attempts, postgres: Postgres) -> None:
        """Count what has happened since the last call.

        Raises:
            ServiceUnavailable: Postgres does not answer; the next call catches up.
        """
        counts = await attempts.count_by_state()
        for state in JobState:
            self._by_state.set(counts.get(state.value, 0), {"state": state.value})
        if self._ended_until is None:
            self._ended_until = await database_now(postgres)
        watched = await watched_jobs(postgres, self._ended_until, self._seen)
        running = [job for job in watched if job.finished_at is None]
        self._rate.set(sum(job.variants_per_s for job in running))
        self._checkpoint.set(max((job.checkpoint_age_s for job in running), default=0.0))
        self.drivers_beaten_s = time.time() - max((job.silent_s for job in running), default=0.0)
        for job in watched:
            self._count(job)
        self._seen = {job.job_id: job for job in running}

    def _count(self, job: WatchedJob) -> None:
        before = self._seen.get(job.job_id)
        _add(self._variants, job.variants_done - (before.variants_done if before else 0))
        _add(self._retries, job.attempt - (before.attempt if before else 1))
        if job.finished_at is None:
            return
        for phase, seconds in job.phase_s.items():
            self._phases.observe(max(seconds, 1e-6), {"phase": phase})
        for reason, count in job.pruned.items():
            _add(self._pruned, count, {"reason": reason})
        self._ended_until = max(job.finished_at, self._ended_until or job.finished_at)


def _add(counter: Counter, count: int, tags: dict[str, str] | None = None) -> None:
    if count > 0:  # Ray's counter raises for 0
        counter.inc(count, tags)
