"""Watchers of jobs: however many watch one, a replica asks the database once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from uuid import UUID

from candleray.errors import CandlerayError
from candleray.jobs.job import Job

WATCH_S = 0.3

Look = Callable[[], Awaitable[Job]]


class JobWatch:
    """`changes` of a job, seen by one poll for all who watch it."""

    def __init__(self) -> None:
        self._watched: dict[UUID, _Watched] = {}

    async def changes(self, job: Job, look: Look) -> AsyncGenerator[Job, None]:
        """The job as it is now, then as it is at every look, until it has ended.

        Raises:
            CandlerayError: it cannot be looked at any more.
        """
        yield job
        if job.ended:
            return
        watched = self._watched.setdefault(job.job_id, _Watched())
        watched.watchers += 1
        try:
            watched.begin(look)
            looks = watched.looks
            while not job.ended:
                looks, job = await watched.after(looks)
                yield job
        finally:
            watched.watchers -= 1
            if not watched.watchers:
                watched.end()
                if self._watched.get(job.job_id) is watched:
                    del self._watched[job.job_id]


class _Watched:
    def __init__(self) -> None:
        self.watchers = 0
        self.looks = 0
        self._seen: Job | CandlerayError | None = None
        self._next = asyncio.Event()
        self._polling: asyncio.Task[None] | None = None

    def begin(self, look: Look) -> None:
        if self._polling is None:
            self._polling = asyncio.ensure_future(self._poll(look))

    def end(self) -> None:
        if self._polling is not None:
            self._polling.cancel()

    @property
    def _is_over(self) -> bool:
        return isinstance(self._seen, CandlerayError) or (self._seen is not None and self._seen.ended)

    async def after(self, looks: int) -> tuple[int, Job]:
        """Return what is seen after so many looks."""
        while self.looks == looks and not self._is_over:
            await self._next.wait()
        if isinstance(self._seen, CandlerayError):
            raise self._seen
        assert self._seen is not None
        return self.looks, self._seen

    async def _poll(self, look: Look) -> None:
        while not self._is_over:
            await asyncio.sleep(WATCH_S)
            try:
                self._seen = await look()
            except CandlerayError as error:
                self._seen = error
            self.looks += 1
            told, self._next = self._next, asyncio.Event()
            told.set()
