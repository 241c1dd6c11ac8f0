"""Waiting for a service no longer than a caller is to be kept: what hangs is left, and the caller answered."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from candleray.errors import ServiceUnavailable

T = TypeVar("T")

_LOOKS = 2
"""Waits of equal length: one stall of this process's own loop is not taken for a silence of the service."""

_left: set[asyncio.Task[Any]] = set()
"""Tasks under way; the loop itself holds them weakly."""


async def answered_within(work: Coroutine[Any, Any, T], limit_s: float, service: str) -> T:
    """Return the outcome of the work.

    A driver may take long to cancel what it has begun (asyncpg took 10 s), so that work is not cancelled.

    Raises:
        ServiceUnavailable: there is none within the limit.
    """
    task = asyncio.create_task(work)
    _left.add(task)
    task.add_done_callback(_forget)
    for _ in range(_LOOKS):
        done, _ = await asyncio.wait({task}, timeout=limit_s / _LOOKS)
        if done:
            return task.result()
    raise ServiceUnavailable(
        f"{service} does not answer within {limit_s:g} s: try again, /ready says what is wrong"
    )


def _forget(task: asyncio.Task[Any]) -> None:
    _left.discard(task)
    if not task.cancelled():
        task.exception()  # seen: who asked may have gone
