"""Addresses that speak no websocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Literal, TypeAlias

NoWebsocket: TypeAlias = Literal["pages", "mail", "silence", "nobody"]

_SAID = {
    "pages": b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 5\r\n\r\nhello",
    "mail": b"220 mail.example ESMTP\r\n",
    "silence": b"",
}


@asynccontextmanager
async def no_websocket(kind: NoWebsocket) -> AsyncIterator[str]:
    """A server of web pages, of mail, one that says nothing, or a port where nobody listens; gives its URL."""

    writers: list[asyncio.StreamWriter] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(_SAID.get(kind, b""))
        if kind != "silence":
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    if kind == "nobody":
        server.close()
    try:
        yield f"ws://{host}:{port}"
    finally:
        server.close()
        for writer in writers:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
