"""Drivers of jobs, run as Ray Jobs; Ray's dashboard shows each with its phases."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
import time
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit
from uuid import UUID

import ray
from ray._private import ray_constants
from ray.exceptions import AuthenticationError
from ray.experimental.internal_kv import _internal_kv_get
from ray.job_submission import JobStatus, JobSubmissionClient

from candleray.errors import ServiceUnavailable, first_line
from candleray.network.own_addresses import ask_directly

T = TypeVar("T")

STOP_S = 10.0
"""Seconds that a stop may take: Ray sends SIGTERM and, 3 s later, SIGKILL."""

_SUBMISSION = re.compile(r"([0-9a-f-]{36})-(\d+)")


class RayJobs:
    """`candleray.jobs.scheduler.Launcher` by the Jobs API, which the dashboard answers.

    A driver is `python -m module JOB_ID ATTEMPT ADDRESS`.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._client: JobSubmissionClient | None = None

    async def start(self, job_id: UUID, attempt: int) -> None:
        # Without an address, Ray gives its jobs the first cluster that it finds on the machine, maybe another one.
        address = ray.get_runtime_context().gcs_address
        await self._ask(
            lambda client: client.submit_job(
                entrypoint=f"{sys.executable} -m {self._module} {job_id} {attempt} {address}",
                submission_id=f"{job_id}-{attempt}",
                metadata={"job_id": str(job_id), "attempt": str(attempt)},
                runtime_env=_inherited(),
            )
        )

    async def stop(self, job_id: UUID, attempt: int) -> None:
        await self._ask(lambda client: _stop(client, f"{job_id}-{attempt}"))

    async def ended(self) -> dict[tuple[UUID, int], str]:
        jobs = await self._ask(lambda client: client.list_jobs())
        codes = {job.submission_id or "": job.driver_exit_code for job in jobs if job.status.is_terminal()}
        found = [(_SUBMISSION.fullmatch(name), code) for name, code in codes.items()]
        return {(UUID(match[1]), int(match[2])): end_in_words(code) for match, code in found if match}

    async def _ask(self, call: Callable[[JobSubmissionClient], T]) -> T:
        def ask() -> T:
            if self._client is None:
                self._client = JobSubmissionClient(_dashboard_url())
            return call(self._client)

        try:
            return await asyncio.to_thread(ask)
        except (RuntimeError, ConnectionError, OSError, AuthenticationError) as exc:
            self._client = None
            message = f"Ray's dashboard, which starts jobs, does not answer: {first_line(exc, 200)}"
            raise ServiceUnavailable(message) from exc


def end_in_words(code: int | None) -> str:
    """Say how a driver has ended, by its exit code where Ray knows it: a shell adds 128 to a signal's number."""
    if code is None:
        return "has ended"
    number = -code if code < 0 else code - 128
    if number == signal.SIGKILL:
        return "was killed by signal 9, as by the kernel where memory runs out"
    return f"was killed by signal {number}" if 0 < number < 65 else f"has ended with exit code {code}"


def _inherited() -> dict[str, dict[str, str]]:
    """The settings that a driver must be given.

    On a joined cluster this actor got its settings from Ray, and drivers must too; on our own cluster all
    processes inherit them. The identity settings are left out: Ray shows these values to whoever sees the job, and
    a driver needs none of them.
    """
    variables = ray.get_runtime_context().runtime_env.get("env_vars") or {}
    shown = {name: value for name, value in variables.items() if not name.startswith("CANDLERAY_IDENTITY__")}
    return {"env_vars": shown} if shown else {}


def _stop(client: JobSubmissionClient, submission_id: str) -> None:
    if submission_id not in {job.submission_id for job in client.list_jobs()}:
        return
    client.stop_job(submission_id)
    give_up_at = time.monotonic() + STOP_S
    while not JobStatus(client.get_job_status(submission_id)).is_terminal():
        if time.monotonic() > give_up_at:
            raise ServiceUnavailable(f"the driver {submission_id} does not stop")
        time.sleep(0.1)


def _dashboard_url() -> str:
    """The address of this cluster's dashboard, read anew because a restart may have moved it.

    Raises:
        ServiceUnavailable: the cluster has no dashboard.
    """
    address = _internal_kv_get(ray_constants.DASHBOARD_ADDRESS, namespace=ray_constants.KV_NAMESPACE_DASHBOARD)
    if not address:
        raise ServiceUnavailable("this cluster has no dashboard, through which jobs are started")
    url = f"http://{address.decode()}"
    # Ray's client asks by `requests`, which takes the environment's proxy; of a joined cluster that is not ours.
    ask_directly(urlsplit(url).hostname or "")
    return url
