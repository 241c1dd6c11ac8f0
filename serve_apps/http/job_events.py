"""A job's progress as server-sent events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from candleray.errors import CandlerayError
from candleray.jobs.job import Job
from serve_apps.http.errors import error_payload

EVENT_STREAM = "text/event-stream"
LOOK_S = 0.3
SILENCE_S = 15.0
"""A comment after so long: proxies close what is silent for a minute."""


async def progress_stream(look: Callable[[], Awaitable[Job]], first: Job) -> AsyncIterator[str]:
    """`progress` whenever more than the heartbeat has changed, `end` at the end, `error` where it is cut off."""
    job, shown, said_at = first, None, time.monotonic()
    while True:
        content = job.model_dump_json(exclude={"heartbeat_at"})
        if job.ended:
            yield f"event: end\ndata: {content}\n\n"
            return
        if content != shown:
            shown, said_at = content, time.monotonic()
            yield f"event: progress\ndata: {content}\n\n"
        elif time.monotonic() - said_at > SILENCE_S:
            said_at = time.monotonic()
            yield ": still there\n\n"
        await asyncio.sleep(LOOK_S)
        try:
            job = await look()
        except CandlerayError as error:
            yield f"event: error\ndata: {error_payload(error)}\n\n"
            return
