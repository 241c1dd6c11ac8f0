"""One attempt at one job, by its driver.

It runs the search of a synchronous backtest phase by phase, tells Postgres twice a second how far it is, and
leaves a checkpoint there every two seconds. Whatever kills it, the next attempt goes on from that checkpoint, and
because the ranking's order is total the answer is the same to the byte.
"""

from __future__ import annotations

import asyncio
import math
import signal
import time
from collections.abc import Awaitable
from contextlib import suppress
from functools import partial
from typing import TypeVar
from uuid import UUID

from ray.exceptions import RayError, RayTaskError

from actors.candle_store import ActorCall
from actors.ray_errors import original_error, translated_errors
from candleray.databases.lazy_service import LazyService
from candleray.databases.patience import patiently
from candleray.databases.postgres import Postgres
from candleray.errors import CandlerayError
from candleray.jobs.attempts import Attempts
from candleray.jobs.job import JobState, Superseded
from candleray.logs import configure_logs, get_logger
from candleray.market_data.candle_store_client import CandleStoreClient
from candleray.settings import Settings, get_settings
from cluster.search.job_search import Search

log = get_logger("job")
T = TypeVar("T")


class Cancelled(Exception):  # not an error that a person meets
    """Somebody asked for the end of this job."""


class Heart:
    """Tells Postgres about a search while it runs, and hears from there that it shall end."""

    def __init__(self, attempts: Attempts, job_id: UUID, attempt: int, search: Search, settings: Settings) -> None:
        self._attempts = attempts
        self._job_id = job_id
        self._attempt = attempt
        self._search = search
        self._limits = settings.jobs
        self._saved_at = -math.inf  # the first ranges are kept, and shown, at the next heartbeat

    async def beat_until_cancelled(self) -> None:
        """Returns when the job shall be cancelled. A database that is away for a while ends nothing.

        Raises:
            Superseded: another attempt has taken over.
        """
        while True:
            with suppress(CandlerayError):
                if await self.beat():
                    return
            # A phase that is shorter than a heartbeat is told as well.
            # Not `wait_for`, which of a search that has just ended hears its last news instead of its cancelling.
            with suppress(TimeoutError):
                async with asyncio.timeout(self._limits.heartbeat_s):
                    await self._search.news.wait()
            self._search.news.clear()

    async def beat(self, last: bool = False) -> bool:
        due = last or time.monotonic() - self._saved_at >= self._limits.checkpoint_s
        checkpoint = self._search.checkpoint() if due else None
        progress = self._search.progress()
        cancel = await self._attempts.heartbeat(self._job_id, self._attempt, progress, checkpoint)
        if checkpoint:
            self._saved_at = time.monotonic()
        return cancel


async def drive(attempts: Attempts, job_id: UUID, attempt: int, settings: Settings) -> None:
    """Run the job to its end, whichever that is.

    Raises:
        Superseded: another attempt has taken it over.
    """
    request, checkpoint = await attempts.job_to_run(job_id, attempt)
    search = Search(request, checkpoint, settings)
    heart = Heart(attempts, job_id, attempt, search, settings)
    try:
        with translated_errors("the cluster"):
            result = await _unless(
                heart.beat_until_cancelled(), search.run(CandleStoreClient(ActorCall(settings)))
            )
    except Cancelled:
        await patiently(lambda: heart.beat(last=True))
        await patiently(lambda: attempts.move(job_id, JobState.CANCELLED, "cancelled by its user", attempt))
    except CandlerayError as error:
        # What is not of the request itself passes: the scheduler sends another driver.
        if error.status >= 500:
            raise
        code, message = error.code, error.message
        await patiently(lambda: attempts.move(job_id, JobState.FAILED, code, attempt, message))
    except RayTaskError:
        # Our own code failed on it, and would again; a worker that was killed comes as another error.
        log.exception("job_failed", job_id=str(job_id))
        reason = "the search failed; the log of its driver says why"
        await patiently(lambda: attempts.move(job_id, JobState.FAILED, "internal", attempt, reason))
    else:
        await patiently(lambda: attempts.finish(job_id, attempt, result))


async def _unless(cancelled: Awaitable[None], work: Awaitable[T]) -> T:
    """Return the outcome of `work`.

    Raises:
        Cancelled: `cancelled` returned first.
    """
    heart, working = asyncio.ensure_future(cancelled), asyncio.ensure_future(work)
    try:
        await asyncio.wait({heart, working}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        heart.result()
        raise Cancelled
    finally:
        for task in (heart, working):
            task.cancel()
        await asyncio.wait({heart, working}, timeout=1.0)


def run(job_id: UUID, attempt: int) -> int:
    """Run the attempt; return the exit code of its process."""
    settings = get_settings()
    configure_logs(settings.log_level)
    return asyncio.run(_run(job_id, attempt, settings))


async def _run(job_id: UUID, attempt: int, settings: Settings) -> int:
    url = settings.services.postgres_url
    postgres = await patiently(LazyService(partial(Postgres.open, max_connections=2), url, "postgres_url").get)
    try:
        working = asyncio.ensure_future(drive(Attempts(postgres, settings.jobs), job_id, attempt, settings))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, working.cancel)
        await working
    except Superseded as reason:
        log.warning("job_superseded", reason=str(reason))
    except asyncio.CancelledError:
        log.warning("job_stopped", reason="SIGTERM; another attempt goes on from the checkpoint")
        return 1
    except (CandlerayError, RayError) as error:
        log.error("job_attempt_failed", reason=str(original_error(error))[:500])
        return 1
    finally:
        await postgres.close()
    return 0
