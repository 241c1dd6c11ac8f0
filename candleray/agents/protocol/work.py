"""Work on one call, on a thread of its own: the SDK's client, the tool, and what is told on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import httpx
from mcp import types

from candleray.agents.answers import readable, text_of
from candleray.agents.handles import read_exact
from candleray.agents.presence import Presence
from candleray.agents.protocol.bridge import Bridge
from candleray.agents.protocol.protocol_errors import protocol_error
from candleray.agents.refusals import refusal_of
from candleray.agents.tool import Call, Tell
from candleray.agents.toolbox import run_tool
from candleray.errors import CandlerayError, ServiceUnavailable
from candleray.logs import get_logger
from candleray.sdk.client import Client
from candleray.sdk.connection import read
from candleray.strategies.strategy import StrategyPage

Connect: TypeAlias = Callable[[httpx.BaseTransport], Client]
"""Opens a client of whoever makes a call, over that transport."""

_LISTED = 50

log = get_logger("agents")


class Work:
    """One call of a tool."""

    def __init__(self, connect: Connect, bridge: Bridge, tell: Tell, presence: Presence | None = None) -> None:
        self._connect = connect
        self._presence = presence
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
                self._call = Call(client, self._tell, self.bridge.sleep)
                return _result(readable(run_tool(name, self._call, arguments)))
        except CandlerayError as error:
            return _refusal(*self._told(error))
        except Exception:
            log.exception("tool_failed", tool=name)
            return _refusal(CandlerayError("the tool failed; the log says why"))

    def exact(self, handle: str) -> bytes:
        """The bytes behind a handle.

        Raises:
            MCPError: the protocol's own.
        """
        try:
            with self._connect(self.bridge) as client:
                return read_exact(client, handle)
        except CandlerayError as error:
            raise protocol_error(*self._told(error)) from None

    def strategies(self, cursor: str | None) -> StrategyPage:
        """A page of the user's, the newest first; the first is empty where they cannot be asked for.

        Raises:
            MCPError: the protocol's own.
        """
        try:
            with self._connect(self.bridge) as client:
                params = {"limit": _LISTED, "cursor": cursor}
                return read(StrategyPage, client.send("GET", "/strategies", params=params))
        except CandlerayError as error:
            if cursor is None:
                return StrategyPage(strategies=())
            raise protocol_error(*self._told(error)) from None

    def undone(self, undo: Callable[[Client], object]) -> None:
        """End what another call has begun."""
        try:
            with self._connect(self.bridge) as client:
                undo(client)
        except CandlerayError as error:
            log.warning("not_undone", error=error.message)

    def _told(self, error: CandlerayError) -> tuple[CandlerayError, str | None]:
        """The error, and the remedy where the API itself is away."""
        if self._presence is None or not isinstance(error, ServiceUnavailable):
            return error, None
        return self._presence.told(error)


def _result(content: dict[str, Any]) -> types.CallToolResult:
    """The content twice: as text, which every assistant reads, and as data under the tool's schema."""
    return types.CallToolResult(content=[_text(content)], structured_content=content)


def _refusal(error: CandlerayError, remedy: str | None = None) -> types.CallToolResult:
    """The error as text alone: programs hold data against the tool's schema, and show that it does not fit."""
    return types.CallToolResult(content=[_text(refusal_of(error, remedy))], is_error=True)


def _text(content: dict[str, Any]) -> types.TextContent:
    return types.TextContent(text=text_of(content))
