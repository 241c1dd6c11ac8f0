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

from candleray.agents.foreign_text import RULE
from candleray.agents.presence import Presence
from candleray.agents.protocol.bridge import Bridge, Send
from candleray.agents.protocol.cancellations import Cancellations
from candleray.agents.protocol.listings import (
    FOR_ALL,
    described_tools,
    prompt_of,
    prompts,
    require_known,
    require_one_page,
)
from candleray.agents.protocol.resources import contents_of, resources_of, templates
from candleray.agents.protocol.told_progress import Progress
from candleray.agents.protocol.work import Connect, Work
from candleray.agents.tool import Tell

T = TypeVar("T")

Context: TypeAlias = ServerRequestContext[Any, Any]
Page: TypeAlias = types.PaginatedRequestParams | None

INSTRUCTIONS = (
    "Candleray searches trading strategies exactly over stored one-minute candles, and runs them on paper. Find "
    "an instrument and indicators, explain the request in words, size it, search it, and report the verdict "
    "(skill or luck) with every return: a high return of many variants is mostly luck. Nothing here trades money. "
    f"Answers are rounded; `exact` names the resource that holds the exact values. {RULE}"
)


class Door:
    """Answers the protocol by calls of the SDK, each on a thread of its own."""

    def __init__(
        self, connect: Connect, send: Send, threads: anyio.CapacityLimiter, presence: Presence | None = None
    ) -> None:
        """
        Args:
            send: sends what the clients ask, on the loop that runs now.
            threads: as many calls as are worked on at once.
            presence: of the API, where it may be away while the door is there.
        """
        self._presence = presence
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
            get_tool_input_schema=_input_schema_of,
            on_list_resources=self._list_resources,
            on_list_resource_templates=self._list_templates,
            on_read_resource=self._read_resource,
            on_list_prompts=self._list_prompts,
            on_get_prompt=self._get_prompt,
        )
        server.middleware.append(self._cancellations)
        return server

    async def _list_tools(self, context: Context, params: Page) -> types.ListToolsResult:
        require_one_page(params)
        return types.ListToolsResult(tools=list(described_tools()), **FOR_ALL)

    async def _call_tool(self, context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        require_known(params.name)
        progress = Progress(context.session.report_progress)
        work = self._work(progress.tell)
        run = partial(work.result, params.name, params.arguments or {})
        with self._cancellations.heard(context.request_id) as is_cancelled:
            try:
                return await self._done(work, run)
            except anyio.get_cancelled_exc_class():
                with anyio.CancelScope(shield=True):
                    if work.undo is not None and await is_cancelled():
                        undoing = self._work(progress.tell)
                        await self._done(undoing, partial(undoing.undone, work.undo))
                raise

    async def _list_resources(self, context: Context, params: Page) -> types.ListResourcesResult:
        work = self._work(_silent)
        cursor = None if params is None else params.cursor
        saved = await self._done(work, partial(work.strategies, cursor))
        return resources_of(saved, is_first=cursor is None)

    async def _list_templates(self, context: Context, params: Page) -> types.ListResourceTemplatesResult:
        require_one_page(params)
        return types.ListResourceTemplatesResult(resource_templates=templates(), **FOR_ALL)

    async def _read_resource(
        self, context: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        work = self._work(_silent)
        return contents_of(params.uri, await self._done(work, partial(work.exact, params.uri)))

    async def _list_prompts(self, context: Context, params: Page) -> types.ListPromptsResult:
        require_one_page(params)
        return types.ListPromptsResult(prompts=prompts(), **FOR_ALL)

    async def _get_prompt(self, context: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        return prompt_of(params.name, params.arguments or {})

    def _work(self, tell: Tell) -> Work:
        return Work(self._connect, Bridge(self._send), tell, self._presence)

    async def _done(self, work: Work, run: Callable[[], T]) -> T:
        """The outcome on a thread, which asks nothing more once its caller has gone."""
        try:
            return await anyio.to_thread.run_sync(run, abandon_on_cancel=True, limiter=self._threads)
        finally:
            work.bridge.cut()


def _silent(done: float, total: float | None, words: str) -> None:
    """Tell nobody: reading has no progress."""


def _input_schema_of(name: str) -> dict[str, Any] | None:
    return next((tool.input_schema for tool in described_tools() if tool.name == name), None)
