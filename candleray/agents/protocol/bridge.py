"""Requests of the SDK, which waits on threads, sent on the loop that the door runs on: so a call can be ended.

Nothing else ends a wait for an answer: a socket that is closed on one thread leaves another waiting for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError, Future
from threading import Event, Lock
from typing import TypeAlias

import httpx

from candleray.errors import ServiceUnavailable

Send: TypeAlias = Callable[[httpx.Request], Awaitable[httpx.Response]]
"""Sends a request on the loop; the body of the answer may still be on its way."""


class Bridge(httpx.BaseTransport):
    """A transport for one call of a tool."""

    def __init__(self, send: Send) -> None:
        """The loop is the one that runs now."""
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._lock = Lock()
        self._under_way: Future[httpx.Response] | None = None
        self._cut = Event()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """
        Raises:
            ServiceUnavailable: the call was ended.
        """
        with self._lock:
            if self._cut.is_set():
                raise _ended()
            self._under_way = asyncio.run_coroutine_threadsafe(self._whole_answer(request), self._loop)
        try:
            return self._under_way.result()
        except CancelledError:
            raise _ended() from None

    async def _whole_answer(self, request: httpx.Request) -> httpx.Response:
        answer = await self._send(request)
        try:
            # As it came: the SDK's client decodes it, as it does every answer.
            content = b"".join([part async for part in answer.aiter_raw()])
        finally:
            await answer.aclose()
        return httpx.Response(answer.status_code, headers=answer.headers, stream=httpx.ByteStream(content))

    def sleep(self, seconds: float) -> None:
        """Wait, on the thread of the call, as long as it goes on: a thread that slept on would hold up the end.

        Raises:
            ServiceUnavailable: the call was ended.
        """
        if self._cut.wait(seconds):
            raise _ended()

    def cut(self) -> None:
        """End the request under way, as one who hangs up, and let no other through."""
        with self._lock:
            self._cut.set()
            if self._under_way is not None:
                self._under_way.cancel()


def _ended() -> ServiceUnavailable:
    return ServiceUnavailable("the call was ended by who made it")
