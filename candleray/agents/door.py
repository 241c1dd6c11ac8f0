"""The door itself: a server of the protocol over the tools, each call a call of the SDK."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Any, TypeAlias

import anyio
import httpx
from mcp import types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server

from candleray.agents.answers import readable, text_of
from candleray.agents.bridge import Bridge, Send
from candleray.agents.foreign_text import RULE
from candleray.agents.refusals import refusal_of
from candleray.agents.schemas import schema_of
from candleray.agents.tool import Call, Effect, Tool
from candleray.agents.toolbox import description_of, run_tool, toolbox
from candleray.errors import CandlerayError
from candleray.logs import get_logger
from candleray.sdk.client import Client

Connect: TypeAlias = Callable[[httpx.BaseTransport], Client]
"""Opens a client of whoever makes a call, over that transport."""

Context: TypeAlias = ServerRequestContext[Any, Any]

INSTRUCTIONS = (
    "Candleray searches trading strategies exactly over stored one-minute candles, and runs them on paper. Find "
    "an instrument and indicators, explain the request in words, size it, search it, and report the verdict "
    "(skill or luck) with every return: a high return of many variants is mostly luck. Nothing here trades money. "
    f"Answers are rounded; `exact` names the resource that holds the exact values. {RULE}"
)

log = get_logger("agents")


class Door:
    """Answers the protocol by calls of the SDK, each on a thread of its own."""

    def __init__(self, connect: Connect, send: Send, threads: anyio.CapacityLimiter) -> None:
        """
        Args:
            send: sends what the clients ask, on the loop that runs now.
            threads: as many calls as are worked on at once.
        """
        self._connect = connect
        self._send = send
        self._threads = threads

    def server(self) -> Server[Any]:
        return Server(
            "candleray",
            version=version("candleray"),
            title="Candleray",
            instructions=INSTRUCTIONS,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
        )

    async def _list_tools(self, context: Context, params: object) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_described(name, tool) for name, tool in toolbox().items()])

    async def _call_tool(self, context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        bridge = Bridge(self._send)
        answered = partial(self._answered, bridge, params.name, params.arguments or {})
        try:
            return await anyio.to_thread.run_sync(answered, abandon_on_cancel=True, limiter=self._threads)
        finally:
            bridge.cut()

    def _answered(self, bridge: Bridge, name: str, arguments: dict[str, Any]) -> types.CallToolResult:
        """The outcome of a call, on its own thread."""
        try:
            with self._connect(bridge) as client:
                answer = run_tool(name, Call(client, _silent), arguments)
        except CandlerayError as error:
            return _result(refusal_of(error), is_error=True)
        except Exception:
            log.exception("tool_failed", tool=name)
            return _result(refusal_of(CandlerayError("the tool failed; the log says why")), is_error=True)
        return _result(readable(answer))


def _silent(done: float, total: float | None, words: str) -> None:
    pass


def _described(name: str, tool: Tool) -> types.Tool:
    return types.Tool(
        name=name,
        title=tool.title,
        description=description_of(name),
        input_schema=schema_of(tool.takes),
        output_schema=schema_of(tool.gives),
        annotations=types.ToolAnnotations(
            title=tool.title,
            read_only_hint=tool.effect is Effect.READS,
            destructive_hint=tool.effect is Effect.ENDS,
            idempotent_hint=tool.is_repeatable,
            open_world_hint=tool.asks_exchanges,
        ),
    )


def _result(content: dict[str, Any], *, is_error: bool = False) -> types.CallToolResult:
    """The content twice: as text, which every assistant reads, and as data under the tool's schema."""
    text = types.TextContent(text=text_of(content))
    return types.CallToolResult(content=[text], structured_content=content, is_error=is_error)
