"""One websocket: subscriptions at the venue's pace, answers to them, frames as they come."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from candleray.errors import ServiceUnavailable
from candleray.exchanges.stream import StreamApi, StreamReply
from candleray.feeds.websockets.websocket import Connect, Connection

ANSWER_S = 10.0
"""Seconds after which a request that got no answer is taken for granted; the watch sees whether candles come."""
_LOOK_S = 0.05


class Link:
    """A socket from its opening to its end; `wanted` may change while it lives."""

    def __init__(
        self,
        api: StreamApi,
        url: str,
        connect: Connect,
        wanted: set[str],
        take: Callable[[Link, str | bytes], None],
        told: Callable[[Link, list[str]], None],
    ) -> None:
        """
        Args:
            take: called with each frame; must not raise.
            told: called with symbols whose subscription the venue has accepted.
        """
        self.wanted = wanted
        self.subscribed: set[str] = set()
        self.refused: dict[str, str] = {}
        """Symbols that the venue does not stream, with its words."""
        self.is_open = False
        self.error = ""
        self._api, self._url, self._connect, self._take, self._told = api, url, connect, take, told
        self._asked: dict[str, tuple[float, list[str]]] = {}
        self._alone: deque[str] = deque()
        self._requests = 0
        self._opened_s = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"socket {self._url}")

    @property
    def has_ended(self) -> bool:
        return self._task is not None and self._task.done()

    @property
    def is_ready(self) -> bool:
        """Every subscription has been answered, or has been waited for long enough."""
        if not self.is_open or self.has_ended:
            return False
        return self.wanted <= self.subscribed | self.refused.keys() or self._age_s() > ANSWER_S

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])  # awaited itself, it would hide that the caller is cancelled

    def replied(self, reply: StreamReply) -> None:
        """Take an answer to a request; of several symbols that were refused together each is asked for alone."""
        request_id = reply.request_id if reply.request_id in self._asked else next(iter(self._asked), None)
        if request_id is None or (reply.request_id is None and reply.is_ok):
            return
        _, symbols = self._asked.pop(request_id)
        if reply.is_ok:
            self._accept(symbols)
        elif len(symbols) > 1:
            self._alone.extend(symbols)
        else:
            self.refused[symbols[0]] = reply.message

    async def _run(self) -> None:
        try:
            async with self._connect(self._url) as connection:
                self.is_open, self._opened_s = True, time.monotonic()
                writing = asyncio.create_task(self._write(connection))
                try:
                    async for frame in connection.frames():
                        self._take(self, frame)
                finally:
                    writing.cancel()
                    with suppress(asyncio.CancelledError, ServiceUnavailable):
                        await writing
        except ServiceUnavailable as error:
            self.error = error.message
        finally:
            self.is_open = False

    async def _write(self, connection: Connection) -> None:
        pinged_s = time.monotonic()
        while True:
            if text := self._next_request():
                await connection.send(text)
                await asyncio.sleep(1 / self._api.requests_per_s)
            elif self._api.ping and time.monotonic() - pinged_s >= self._api.ping_every_s:
                pinged_s = time.monotonic()
                await connection.send(self._api.ping)
            else:
                await asyncio.sleep(_LOOK_S)
            self._grant_unanswered()

    def _next_request(self) -> str | None:
        asked = {symbol for _, symbols in self._asked.values() for symbol in symbols}
        if gone := sorted(self.subscribed - self.wanted)[: self._api.max_topics_per_request]:
            self.subscribed -= set(gone)
            self._requests += 1
            return self._api.unsubscribe([self._api.topic(symbol) for symbol in gone], self._requests)
        while self._alone:
            symbol = self._alone.popleft()
            if symbol in self.wanted:
                return self._subscribe([symbol])
        known = asked | self.subscribed | self.refused.keys()
        new = sorted(symbol for symbol in self.wanted if symbol not in known)
        return self._subscribe(new[: self._api.max_topics_per_request]) if new else None

    def _subscribe(self, symbols: list[str]) -> str:
        self._requests += 1
        self._asked[str(self._requests)] = time.monotonic(), symbols
        return self._api.subscribe([self._api.topic(symbol) for symbol in symbols], self._requests)

    def _grant_unanswered(self) -> None:
        for request_id, (asked_s, symbols) in list(self._asked.items()):
            if time.monotonic() - asked_s > ANSWER_S:
                del self._asked[request_id]
                self._accept(symbols)

    def _accept(self, symbols: list[str]) -> None:
        self.subscribed.update(symbols)
        self._told(self, symbols)

    def _age_s(self) -> float:
        return time.monotonic() - self._opened_s
