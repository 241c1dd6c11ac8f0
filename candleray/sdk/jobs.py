"""A job as the SDK holds it, and what of a client makes one.

job = client.submit(request)
for progress in job.watch():
    print(progress.phase, progress.done, progress.total)
print(job.result())
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID, uuid4

from candleray.backtests.preflight import Preflight
from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult
from candleray.errors import ApiError, Conflict
from candleray.jobs.job import Job, JobDetail, JobPage, JobState, JobTop
from candleray.paging import collected
from candleray.sdk.connection import encoded, read

if TYPE_CHECKING:
    from candleray.sdk.client import Client

LOOK_S = 0.5
_PAGE = 500

T = TypeVar("T")


class SubmittedJob:
    """One job of the API; it goes on whether or not anybody holds this."""

    def __init__(self, client: Client, job_id: UUID | str) -> None:
        self._client = client
        self.job_id = UUID(str(job_id))

    def __repr__(self) -> str:
        return f"SubmittedJob({str(self.job_id)!r})"

    def status(self) -> JobDetail:
        return self._read(JobDetail, "GET")

    def watch(self, every_s: float = LOOK_S) -> Iterator[Job]:
        """How far it is, whenever that has changed; the last one has ended. It may be left at any time."""
        shown: Job | None = None
        while True:
            job = self.status()
            told = Job(
                **job.model_dump(include=set(Job.model_fields), exclude={"heartbeat_at"}), heartbeat_at=None
            )
            if told != shown:
                shown = told
                yield job
            if job.ended:
                return
            time.sleep(every_s)

    def top(self, limit: int = 500) -> JobTop:
        """The best variants: so far while it runs, with their reports once it has succeeded."""
        return self._read(JobTop, "GET", "/top", params={"limit": limit})

    def result(self) -> BacktestResult:
        """The whole answer, waited for.

        Raises:
            Conflict: it was cancelled.
            ApiError: it failed, with its reason.
        """
        for job in self.watch():
            if job.state is JobState.CANCELLED:
                raise Conflict(f"job {self.job_id} was cancelled; `top` has what it had found")
            if job.state is JobState.FAILED:
                raise ApiError(f"job {self.job_id} failed: {job.error}")
        return self._read(BacktestResult, "GET", "/result")

    def cancel(self) -> Job:
        """Ask it to end; what it has found is kept."""
        return self._read(Job, "POST", "/cancel")

    def delete(self) -> None:
        """Forget it, once it has ended."""
        self._client.send("DELETE", f"/backtests/jobs/{self.job_id}", repeatable=False)

    def _read(self, kind: type[T], method: str, what: str = "", **sent: Any) -> T:
        return read(kind, self._client.send(method, f"/backtests/jobs/{self.job_id}{what}", **sent))


class JobMethods:
    """The client's methods that are about jobs."""

    def submit(
        self: Any, request: BacktestRequest | Mapping[str, Any] | bytes, key: str | None = None
    ) -> SubmittedJob:
        """Submit a search of any size that the guards allow.

        Args:
            request: as a model, as a dict, or as the bytes of its JSON.
            key: a name of your own for this submission: with the same one again the same job comes back.
        """
        # Without a key of the caller's, one of our own: an answer that was lost on its way makes no second job.
        headers = {"Idempotency-Key": key or uuid4().hex}
        body = request if isinstance(request, bytes) else encoded(request)
        answer = self.send("POST", "/backtests/jobs", content=body, headers=headers)
        return SubmittedJob(self, read(Job, answer).job_id)

    def job(self: Any, job_id: UUID | str) -> SubmittedJob:
        """A job that was submitted before, here or elsewhere."""
        return SubmittedJob(self, job_id)

    def jobs(self: Any, state: str | Iterable[str] | None = None, limit: int | None = None) -> list[Job]:
        """Your jobs, the newest first; of one state or of some alone."""
        wanted = [state] if isinstance(state, str) else list(state or [])

        def page(size: int, cursor: str | None) -> tuple[Sequence[Job], str | None]:
            params = {"state": wanted or None, "limit": size, "cursor": cursor}
            answer = read(JobPage, self.send("GET", "/backtests/jobs", params=params))
            return answer.jobs, answer.next_cursor

        return collected(page, limit, _PAGE)

    def preflight(self: Any, request: BacktestRequest | Mapping[str, Any]) -> Preflight:
        """What a request would cost on this cluster, and whether it may run."""
        return read(Preflight, self.send("POST", "/backtests/preflight", content=encoded(request)))
