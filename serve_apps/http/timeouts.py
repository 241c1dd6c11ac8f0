"""Timeouts of long work, which ends too when its caller leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from candleray.errors import ServiceUnavailable

T = TypeVar("T")

_CANCEL_S = 5.0
"""The time that cancelled work has to clean up; after it nobody waits any more."""


async def answer_in_time(request: Request, work: Coroutine[Any, Any, T], timeout_s: float, what: str) -> T:
    """The result of `work`, which is cancelled at the timeout or when the caller leaves.

    Raises:
        ServiceUnavailable: it took longer than the timeout.
        ClientDisconnect: the caller has left.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({working, leaving}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        if leaving.done():
            raise ClientDisconnect
        raise ServiceUnavailable(
            f"{what} took longer than {timeout_s:g} s and was cancelled: ask for less at once"
        )
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.wait({working, leaving}, timeout=_CANCEL_S)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
