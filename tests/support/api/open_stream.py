"""A stream of server-sent events that is read while it goes on, as slowly as a test likes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx

from tests.support.waiting import PATIENCE_S


class SentEvent(NamedTuple):
    event: str
    data: Any
    event_id: str | None


class OpenStream:
    def __init__(self) -> None:
        self.status = 0
        self._parts: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=1)
        self._begun = asyncio.Event()
        self._left = asyncio.Event()
        self._text = ""

    async def receive(self) -> dict[str, Any]:
        if not self._begun.is_set():
            self._begun.set()
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        await self._parts.put(message.get("body", b""))
        if not message.get("more_body"):
            await self._parts.put(None)

    def leave(self) -> None:
        self._left.set()

    async def next(self, *names: str) -> SentEvent:
        """The next event of one of these names, or any; StopAsyncIteration where the stream has ended."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                event = await self._next()
                if not names or event.event in names:
                    return event

    async def rest(self) -> list[SentEvent]:
        """All that is told until the stream ends by itself."""
        found = []
        try:
            while True:
                found.append(await self.next())
        except StopAsyncIteration:
            return found

    async def _next(self) -> SentEvent:
        while "\n\n" not in self._text:
            part = await self._parts.get()
            if part is None:
                raise StopAsyncIteration
            self._text += part.decode()
        block, _, self._text = self._text.partition("\n\n")
        fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        if not fields:
            return await self._next()
        return SentEvent(fields["event"], json.loads(fields["data"]), fields.get("id"))


@asynccontextmanager
async def open_stream(
    client: httpx.AsyncClient, path: str, headers: Mapping[str, str] | None = None, **query: Any
) -> AsyncIterator[OpenStream]:
    """The stream that an API in this process answers with, until the block ends."""
    request = client.build_request("GET", path, params=query, headers=headers)
    transport: Any = client._transport
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": request.url.path,
        "raw_path": request.url.raw_path,
        "query_string": request.url.query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "server": ("api", 80),
        "client": ("127.0.0.1", 123),
    }
    stream = OpenStream()
    serving = asyncio.ensure_future(transport.app(scope, stream.receive, stream.send))
    try:
        yield stream
    finally:
        stream.leave()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
