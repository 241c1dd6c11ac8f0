"""Work on one call, on a thread of its own: the SDK's client, the tool, and what is told on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import httpx
from mcp import MCPError, types

from candleray.agents.answers import readable, text_of
from candleray.agents.bridge import Bridge
from candleray.agents.handles import read_exact
from candleray.agents.refusals import refusal_of
from candleray.agents.tool import Call, Tell
from candleray.agents.toolbox import run_tool
from candleray.errors import CandlerayError
from candleray.logs import get_logger
from candleray.sdk.client import Client
from candleray.strategies.strategy import Strategy

Connect: TypeAlias = Callable[[httpx.BaseTransport], Client]
"""Opens a client of whoever makes a call, over that transport."""

_LISTED = 50

log = get_logger("agents")


class Progress:
    """Progress told from a thread to the loop that made this; what cannot be told any more is dropped."""

    def __init__(self, report: Callable[[float, float | None, str | None], Awaitable[None]]) -> None:
        self._report = report
        self._loop = asyncio.get_running_loop()

    def tell(self, done: float, total: float | None, words: str) -> None:
        asyncio.run_coroutine_threadsafe(self._told(done, total, words), self._loop)

    async def _told(self, done: float, total: float | None, words: str) -> None:
        await self._report(done, total, words)


class Work:
    """One call of a tool."""

    def __init__(self, connect: Connect, bridge: Bridge, tell: Tell) -> None:
        self._connect = connect
        self._call: Call | None = None
        self._tell = tell
        self.bridge = bridge

    @property
    def undo(self) -> Callable[[Client], object] | None:
        """Ends what the call follows, as far as it has come to that."""
        return self._call.undo if self._call else None

    def result(self, name: str, arguments: dict[str, Any]) -> types.CallToolResult:
        """The outcome of the call; every failure is one of its answers."""
        try:
            with self._connect(self.bridge) as client:
                self._call = Call(client, self._tell)
                return _result(readable(run_tool(name, self._call, arguments)))
        except CandlerayError as error:
            return _result(refusal_of(error), is_error=True)
        except Exception:
            log.exception("tool_failed", tool=name)
            return _result(refusal_of(CandlerayError("the tool failed; the log says why")), is_error=True)

    def exact(self, handle: str) -> bytes:
        """The bytes behind a handle.

        Raises:
            MCPError: the protocol's own; the API's payload is its data.
        """
        try:
            with self._connect(self.bridge) as client:
                return read_exact(client, handle)
        except CandlerayError as error:
            raise MCPError(types.INVALID_PARAMS, error.message, refusal_of(error)) from None

    def strategies(self) -> list[Strategy]:
        """The user's newest; none where they cannot be asked for: the list that they stand in has more."""
        try:
            with self._connect(self.bridge) as client:
                return client.strategies(limit=_LISTED)
        except CandlerayError:
            return []

    def undone(self, undo: Callable[[Client], object]) -> None:
        """End what another call has begun."""
        try:
            with self._connect(self.bridge) as client:
                undo(client)
        except CandlerayError as error:
            log.warning("not_undone", error=error.message)


def _result(content: dict[str, Any], *, is_error: bool = False) -> types.CallToolResult:
    """The content twice: as text, which every assistant reads, and as data under the tool's schema."""
    text = types.TextContent(text=text_of(content))
    return types.CallToolResult(content=[text], structured_content=content, is_error=is_error)
