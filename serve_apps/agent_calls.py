"""Calls of assistants in a replica: each asks this very API, in this process, with the caller's own token.

So it passes what every request passes (who is there, scopes, slots, guards, the log), and no socket.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import anyio
import httpx
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from candleray.errors import NotFound
from candleray.sdk.client import Client

if TYPE_CHECKING:
    from candleray.agents.protocol.door import Door

_OWN_URL = "http://localhost"


@dataclass(frozen=True)
class AgentCaller:
    token: str
    address: str


class AgentCalls:
    """The agents' door of a replica; what it needs may be missing, and is imported at the first call."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._limiter: anyio.CapacityLimiter | None = None

    async def answer(self, app: ASGIApp, caller: AgentCaller) -> Response:
        """
        Raises:
            NotFound: this instance was installed without it.
        """
        if find_spec("mcp") is None:
            raise NotFound("this instance has no door for assistants: pip install 'candleray[agents]' there")
        # An import takes a second, in which the loop goes on.
        await asyncio.to_thread(_load)
        self._limiter = self._limiter or anyio.CapacityLimiter(self._threads)
        return _ProtocolAnswer(_door(app, caller, self._limiter))


def _load() -> None:
    from candleray.agents.protocol import streamable
    from candleray.agents.protocol.listings import described_tools

    assert streamable
    described_tools()


def _door(app: ASGIApp, caller: AgentCaller, threads: anyio.CapacityLimiter) -> Door:
    from candleray.agents.protocol.door import Door

    inner = httpx.ASGITransport(app, raise_app_exceptions=False, client=(caller.address, 0))

    def connect(transport: httpx.BaseTransport) -> Client:
        return Client(_OWN_URL, token=caller.token, transport=transport)

    return Door(connect, inner.handle_async_request, threads)


class _ProtocolAnswer(Response):
    """An answer that the protocol's own server writes."""

    def __init__(self, door: Door) -> None:
        super().__init__()
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from candleray.agents.protocol.streamable import serve_request

        await serve_request(self._door, scope, receive, send)
