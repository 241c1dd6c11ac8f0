"""Jobs of the SDK: a submitted job, and the client's methods that make and find one.

job = client.submit(request)
for progress in job.watch():
    print(progress.phase, progress.done, progress.total)
print(job.result())
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from pydantic import PrivateAttr

from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult
from candleray.errors import ApiError, Conflict
from candleray.jobs.job import AcceptedJob, Job, JobDetail, JobPage, JobState, JobTop
from candleray.paging import collected
from candleray.sdk.connection import Sender, read
from candleray.sdk.references import JOB, find_id, request_body

WATCH_INTERVAL_S = 0.5
_PAGE_JOBS = 500


class JobActions(ABC):
    """The methods of one job of the API; it goes on whether or not anybody holds this."""

    @abstractmethod
    def _target(self) -> tuple[Sender, UUID]:
        """The API that has the job, and the job's id."""

    def _send(self, method: str, below: str = "", **settings: Any) -> bytes:
        sender, job_id = self._target()
        return sender.send(method, f"/backtests/jobs/{job_id}{below}", **settings)

    def status(self) -> JobDetail:
        """The job as it is now, with its request and its transitions.

        >>> job.status().state.value
        'succeeded'
        """
        return read(JobDetail, self._send("GET"))

    def watch(self, every_s: float = WATCH_INTERVAL_S) -> Iterator[JobDetail]:
        """Yield the job whenever it has changed, until it has ended; leaving early does no harm.

        >>> for progress in job.watch():
        ...     print(progress.state)
        succeeded
        """
        known: dict[str, Any] | None = None
        while True:
            job = self.status()
            progress = job.model_dump(include=set(Job.model_fields), exclude={"heartbeat_at"})
            if progress != known:
                known = progress
                yield job
            if job.ended:
                return
            time.sleep(every_s)

    def top(self, limit: int = 500) -> JobTop:
        """The best variants: so far while it runs, with their reports once it has succeeded.

        >>> best = job.top(limit=3)
        >>> [variant.rank for variant in best.variants]
        [1, 2, 3]
        """
        return read(JobTop, self._send("GET", "/top", params={"limit": limit}))

    def result(self) -> BacktestResult:
        """Wait for the job's end and return its whole answer.

        Raises:
            Conflict: it was cancelled.
            ApiError: it failed, with its reason.

        >>> result = job.result()
        >>> result.variants_evaluated
        4
        """
        for job in self.watch():
            if job.state is JobState.CANCELLED:
                raise Conflict(f"job {job.job_id} was cancelled; `top` has what it had found")
            if job.state is JobState.FAILED:
                raise ApiError(f"job {job.job_id} failed: {job.error}")
        return read(BacktestResult, self._send("GET", "/result"))

    def cancel(self) -> Job:
        """Ask the job to end; what it has found is kept.

        >>> job = client.submit(request)
        >>> job.cancel().cancel_requested
        True
        """
        return read(Job, self._send("POST", "/cancel"))

    def delete(self) -> None:
        """Forget the job, once it has ended.

        >>> job.delete()
        """
        self._send("DELETE", repeatable=False)


class SubmittedJob(JobActions):
    """One job of the API, by its id alone."""

    notes: tuple[str, ...]
    """Remarks about the candles of its range, where it was submitted just now."""

    def __init__(self, sender: Sender, job_id: UUID | str, notes: tuple[str, ...] = ()) -> None:
        self._sender = sender
        self.job_id = UUID(str(job_id))
        self.notes = notes

    def __repr__(self) -> str:
        return f"SubmittedJob({str(self.job_id)!r})"

    @property
    def url(self) -> str:
        """The address of the API that has it."""
        return self._sender.url

    def _target(self) -> tuple[Sender, UUID]:
        return self._sender, self.job_id


class ListedJob(Job, JobActions):
    """A job as a list had it, with the methods that ask for it anew."""

    _sender: Sender = PrivateAttr()

    @classmethod
    def of(cls, sender: Sender, job: Job) -> ListedJob:
        listed = cls.model_construct(**dict(job))
        listed._sender = sender
        return listed

    def _target(self) -> tuple[Sender, UUID]:
        return self._sender, self.job_id


class JobMethods(Sender):
    """Searches that run in the background."""

    def submit(self, request: BacktestRequest | Mapping[str, Any] | bytes, key: str | None = None) -> SubmittedJob:
        """Submit a search of any size that the guards allow.

        Args:
            key: a name of your own for this submission: with the same one again the same job comes back.

        >>> job = client.submit(request, key="mondays-search")
        >>> client.submit(request, key="mondays-search").job_id == job.job_id
        True
        """
        # Without a key of the caller's, one of our own: an answer that was lost on its way makes no second job.
        headers = {"Idempotency-Key": key or uuid4().hex}
        answer = self.send("POST", "/backtests/jobs", content=request_body(self, request), headers=headers)
        accepted = read(AcceptedJob, answer)
        return SubmittedJob(self, accepted.job_id, accepted.notes)

    def job(self, job_id: UUID | str) -> SubmittedJob:
        """A job that was submitted before, here or elsewhere, by its id or the beginning of one.

        Raises:
            NotFound: you have no such job.

        >>> job = client.submit(request)
        >>> client.job(str(job.job_id)[:13]).status().variants_total
        4
        """
        return SubmittedJob(self, find_id(self, JOB, job_id))

    def jobs(self, state: str | Iterable[str] | None = None, limit: int | None = None) -> list[ListedJob]:
        """Your jobs, the newest first; those of one state, or of some. Each has the methods of a submitted one.

        >>> job = client.submit(request)
        >>> [listed.job_id == job.job_id for listed in client.jobs(state=["queued", "running"], limit=1)]
        [True]
        >>> client.jobs()[0].cancel().cancel_requested
        True
        """
        states = [state] if isinstance(state, str) else list(state or [])

        def read_page(size: int, cursor: str | None) -> tuple[Sequence[ListedJob], str | None]:
            params = {"state": states or None, "limit": size, "cursor": cursor}
            page = read(JobPage, self.send("GET", "/backtests/jobs", params=params))
            return [ListedJob.of(self, job) for job in page.jobs], page.next_cursor

        return collected(read_page, limit, _PAGE_JOBS)
