"""The actor that schedules jobs and does the periodic duties for as long as the cluster lives.

The work runs in threads that start with the process, so a restarted actor goes on by itself.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import ray
from pydantic import SecretStr
from ray.actor import ActorHandle
from ray.util.metrics import Counter

from actors.disk_metrics import DiskMetrics
from actors.heartbeats import start_heartbeat
from actors.job_metrics import JobMetrics
from actors.loop_thread import LoopThread
from actors.options import JOB_DRIVERS, JOB_SCHEDULER, ON_HEAD
from actors.periodic_duties import start_duties
from actors.ray_jobs import RayJobs
from actors.telegram_log import start_telegram_log
from candleray.databases.postgres import Postgres
from candleray.errors import CandlerayError, InstanceError
from candleray.jobs.attempts import Attempts
from candleray.jobs.database_clock import DatabaseClock
from candleray.jobs.scheduler import Scheduler
from candleray.logs import configure_logs, get_logger
from candleray.settings import JobSettings, Settings, get_settings

log = get_logger("scheduler")

STEP_S = 0.3
TIDY_S = 60.0
MEASURE_S = 1.0
LONGEST_PAUSE_S = 5.0


class JobSchedulerActor:
    def __init__(self, url: SecretStr, limits: JobSettings, job_module: str, log_level: str) -> None:
        configure_logs(log_level)
        self._url = url
        self._limits = limits
        self._drivers = RayJobs(job_module)
        self._clock = DatabaseClock()
        self._metrics = JobMetrics()
        start_heartbeat(JOB_DRIVERS, lambda: self._metrics.drivers_beaten_s)
        self._failures = Counter("candleray_scheduler_failures", "Steps that a service did not let happen.")
        settings = get_settings()  # read here: as an argument its secrets would be kept by Ray
        self._disk = DiskMetrics(settings.data_path)
        self._thread = LoopThread("job scheduler", self._keep_scheduling)
        self._thread.start()
        start_duties(settings)
        start_telegram_log(settings)

    def ping(self) -> None:
        """Raise `ServiceUnavailable` where the loop stands still."""
        self._thread.require()

    async def _keep_scheduling(self) -> None:
        next_pause_s = STEP_S
        while True:
            began = time.monotonic()
            try:
                await self._schedule()
            except CandlerayError as error:
                # After a while without failure, the pauses begin short again.
                pause_s = STEP_S if time.monotonic() - began >= LONGEST_PAUSE_S else next_pause_s
                self._failures.inc()
                log.warning("scheduler_waits", reason=error.message, pause_s=pause_s)
                await asyncio.sleep(pause_s)
                next_pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _schedule(self) -> None:
        """Run the scheduler step by step until a service fails."""
        postgres = await Postgres.open(self._url.get_secret_value(), max_connections=2)
        try:
            attempts = Attempts(postgres, self._limits)
            scheduler = Scheduler(attempts, self._drivers, self._limits, self._clock)
            tidied_at = measured_at = 0.0
            while True:
                await scheduler.step()
                if time.monotonic() - tidied_at > TIDY_S:
                    await scheduler.forget_old()
                    tidied_at = time.monotonic()
                if time.monotonic() - measured_at > MEASURE_S:
                    await self._metrics.observe(attempts, postgres)
                    self._disk.observe()
                    measured_at = time.monotonic()
                await asyncio.sleep(STEP_S)
        finally:
            await postgres.close()


def job_scheduler(settings: Settings, job_module: str) -> ActorHandle:
    """The handle of the cluster's scheduler, started if it is not there; drivers run `job_module`.

    Raises:
        InstanceError: the settings name no Postgres; a running instance always does.
    """
    url: Any = settings.services.postgres_url
    if url is None:
        raise InstanceError("no Postgres is configured: is the instance up?")
    actor = ray.remote(**JOB_SCHEDULER, **ON_HEAD)(JobSchedulerActor)
    return actor.remote(url, settings.jobs, job_module, settings.log_level)
