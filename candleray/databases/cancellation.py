"""Cancellations that a driver swallows.

`asyncio.wait_for` of Python 3.11 returns an answer that comes in the moment of a cancellation, and forgets the
latter. redis-py sends each command by it: a task that asks for ever never ended, and its process with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def heeding_cancellation() -> AsyncIterator[None]:
    """Raise CancelledError where this task was cancelled within the block and went on nevertheless."""
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        yield
    finally:
        if task and task.cancelling() > before:
            await asyncio.sleep(0)  # who cancels again and again, as anyio does, is to say so in its own words
            raise asyncio.CancelledError
