"""Jobs of the SDK: a submitted job, and the client's methods that make and find one.

job = client.submit(request)
for progress in job.watch():
    print(progress.phase, progress.done, progress.total)
print(job.result())
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult
from candleray.errors import ApiError, Conflict
from candleray.jobs.job import Job, JobDetail, JobPage, JobState, JobTop
from candleray.paging import collected
from candleray.sdk.connection import Sender, encoded, read

WATCH_INTERVAL_S = 0.5
_PAGE_JOBS = 500


class SubmittedJob:
    """One job of the API; it goes on whether or not anybody holds this."""

    def __init__(self, sender: Sender, job_id: UUID | str) -> None:
        self._sender = sender
        self.job_id = UUID(str(job_id))
        self._path = f"/backtests/jobs/{self.job_id}"

    def __repr__(self) -> str:
        return f"SubmittedJob({str(self.job_id)!r})"

    def status(self) -> JobDetail:
        """The job as it is now, with its request and its transitions.

        >>> job.status().state.value
        'succeeded'
        """
        return read(JobDetail, self._sender.send("GET", self._path))

    def watch(self, every_s: float = WATCH_INTERVAL_S) -> Iterator[Job]:
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
        >>> [variant.rank for variant in best.top]
        [1, 2, 3]
        """
        return read(JobTop, self._sender.send("GET", f"{self._path}/top", params={"limit": limit}))

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
                raise Conflict(f"job {self.job_id} was cancelled; `top` has what it had found")
            if job.state is JobState.FAILED:
                raise ApiError(f"job {self.job_id} failed: {job.error}")
        return read(BacktestResult, self._sender.send("GET", f"{self._path}/result"))

    def cancel(self) -> Job:
        """Ask the job to end; what it has found is kept.

        >>> job = client.submit(request)
        >>> job.cancel().cancel_requested
        True
        """
        return read(Job, self._sender.send("POST", f"{self._path}/cancel"))

    def delete(self) -> None:
        """Forget the job, once it has ended.

        >>> job.delete()
        """
        self._sender.send("DELETE", self._path, repeatable=False)


class JobMethods(Sender):
    """Searches that run in the background."""

    def submit(self, request: BacktestRequest | Mapping[str, Any] | bytes, key: str | None = None) -> SubmittedJob:
        """Submit a search of any size that the guards allow.

        Args:
            request: a model, a dict, or the bytes of its JSON.
            key: a name of your own for this submission: with the same one again the same job comes back.

        >>> job = client.submit(request, key="mondays-search")
        >>> client.submit(request, key="mondays-search").job_id == job.job_id
        True
        """
        # Without a key of the caller's, one of our own: an answer that was lost on its way makes no second job.
        headers = {"Idempotency-Key": key or uuid4().hex}
        body = request if isinstance(request, bytes) else encoded(request)
        answer = self.send("POST", "/backtests/jobs", content=body, headers=headers)
        return SubmittedJob(self, read(Job, answer).job_id)

    def job(self, job_id: UUID | str) -> SubmittedJob:
        """A job that was submitted before, here or elsewhere.

        >>> job = client.submit(request)
        >>> client.job(job.job_id).status().variants_total
        4
        """
        return SubmittedJob(self, job_id)

    def jobs(self, state: str | Iterable[str] | None = None, limit: int | None = None) -> list[Job]:
        """Your jobs, the newest first; those of one state, or of some.

        >>> job = client.submit(request)
        >>> [listed.job_id == job.job_id for listed in client.jobs(state=["queued", "running"], limit=1)]
        [True]
        """
        states = [state] if isinstance(state, str) else list(state or [])

        def read_page(size: int, cursor: str | None) -> tuple[Sequence[Job], str | None]:
            params = {"state": states or None, "limit": size, "cursor": cursor}
            page = read(JobPage, self.send("GET", "/backtests/jobs", params=params))
            return page.jobs, page.next_cursor

        return collected(read_page, limit, _PAGE_JOBS)
