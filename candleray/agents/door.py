"""The door itself: a server of the protocol over the tools, each call a call of the SDK."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Any, TypeAlias, TypeVar

import anyio
from mcp import types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server

from candleray.agents.bridge import Bridge, Send
from candleray.agents.cancellations import Cancellations
from candleray.agents.foreign_text import RULE
from candleray.agents.schemas import schema_given, schema_taken
from candleray.agents.tool import Effect, Tool
from candleray.agents.toolbox import description_of, toolbox
from candleray.agents.work import Connect, Progress, Work

T = TypeVar("T")

Context: TypeAlias = ServerRequestContext[Any, Any]

INSTRUCTIONS = (
    "Candleray searches trading strategies exactly over stored one-minute candles, and runs them on paper. Find "
    "an instrument and indicators, explain the request in words, size it, search it, and report the verdict "
    "(skill or luck) with every return: a high return of many variants is mostly luck. Nothing here trades money. "
    f"Answers are rounded; `exact` names the resource that holds the exact values. {RULE}"
)


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
        self._cancellations = Cancellations()

    def server(self) -> Server[Any]:
        server: Server[Any] = Server(
            "candleray",
            version=version("candleray"),
            title="Candleray",
            instructions=INSTRUCTIONS,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
        )
        server.middleware.append(self._cancellations)
        return server

    async def _list_tools(self, context: Context, params: object) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_described(name, tool) for name, tool in toolbox().items()])

    async def _call_tool(self, context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        progress = Progress(context.session.report_progress)
        work = Work(self._connect, Bridge(self._send), progress.tell)
        run = partial(work.result, params.name, params.arguments or {})
        with self._cancellations.heard(context.request_id) as is_cancelled:
            try:
                return await self._on_thread(run)
            except anyio.get_cancelled_exc_class():
                work.bridge.cut()
                with anyio.CancelScope(shield=True):
                    if work.undo is not None and await is_cancelled():
                        undoing = Work(self._connect, Bridge(self._send), progress.tell)
                        await self._on_thread(partial(undoing.undone, work.undo))
                raise

    async def _on_thread(self, run: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(run, abandon_on_cancel=True, limiter=self._threads)


def _described(name: str, tool: Tool) -> types.Tool:
    return types.Tool(
        name=name,
        title=tool.title,
        description=description_of(name),
        input_schema=schema_taken(tool.takes),
        output_schema=schema_given(tool.gives),
        annotations=types.ToolAnnotations(
            title=tool.title,
            read_only_hint=tool.effect is Effect.READS,
            destructive_hint=tool.effect is Effect.ENDS,
            idempotent_hint=tool.is_repeatable,
            open_world_hint=tool.asks_exchanges,
        ),
    )
