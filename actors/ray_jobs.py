"""Drivers of jobs as Ray Jobs: Ray's dashboard shows each with its phases."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

import ray
from ray._private import ray_constants
from ray.exceptions import AuthenticationError
from ray.experimental.internal_kv import _internal_kv_get
from ray.job_submission import JobStatus, JobSubmissionClient

from candleray.errors import ServiceUnavailable

T = TypeVar("T")

STOP_S = 10.0
"""Ray sends SIGTERM and, 3 s later, SIGKILL."""

_SUBMISSION = re.compile(r"([0-9a-f-]{36})-(\d+)")


class RayJobs:
    """`candleray.jobs.scheduler.Launcher` by the Jobs API, which the dashboard answers.

    A driver is `python -m module JOB_ID ATTEMPT ADDRESS`.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._client: JobSubmissionClient | None = None

    async def start(self, job_id: UUID, attempt: int) -> None:
        # Ray tells its jobs the first cluster that it finds on the machine, which may be another one.
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

    async def ended(self) -> set[tuple[UUID, int]]:
        found = await self._ask(lambda client: client.list_jobs())
        named = [(_SUBMISSION.fullmatch(one.submission_id or ""), one.status) for one in found]
        return {(UUID(match[1]), int(match[2])) for match, status in named if match and status.is_terminal()}

    async def _ask(self, call: Callable[[JobSubmissionClient], T]) -> T:
        def ask() -> T:
            if self._client is None:
                self._client = JobSubmissionClient(_dashboard_url())
            return call(self._client)

        try:
            return await asyncio.to_thread(ask)
        except (RuntimeError, ConnectionError, OSError, AuthenticationError) as exc:
            self._client = None
            reason = (str(exc).splitlines() or [type(exc).__name__])[0][:200]
            raise ServiceUnavailable(f"Ray's dashboard, which starts jobs, does not answer: {reason}") from exc


def _inherited() -> dict[str, dict[str, str]]:
    """On a cluster of others this actor was told its settings, and drivers must be; on our own all inherit them.

    Ray shows it to whoever sees the job: a driver works without knowing who may do what.
    """
    told = ray.get_runtime_context().runtime_env.get("env_vars") or {}
    kept = {name: value for name, value in told.items() if not name.startswith("CANDLERAY_IDENTITY__")}
    return {"env_vars": kept} if kept else {}


def _stop(client: JobSubmissionClient, submission_id: str) -> None:
    known = {one.submission_id for one in client.list_jobs()}
    if submission_id not in known:
        return
    client.stop_job(submission_id)
    give_up_at = time.monotonic() + STOP_S
    while not JobStatus(client.get_job_status(submission_id)).is_terminal():
        if time.monotonic() > give_up_at:
            raise ServiceUnavailable(f"the driver {submission_id} does not stop")
        time.sleep(0.1)


def _dashboard_url() -> str:
    """Where this cluster's own dashboard says that it is: it may have been started again somewhere else.

    Raises:
        ServiceUnavailable: there is none.
    """
    found = _internal_kv_get(ray_constants.DASHBOARD_ADDRESS, namespace=ray_constants.KV_NAMESPACE_DASHBOARD)
    if not found:
        raise ServiceUnavailable("this cluster has no dashboard, through which jobs are started")
    return f"http://{found.decode()}"
