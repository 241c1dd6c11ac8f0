"""A scripted assistant: calls tools by the protocol's own client, and keeps the size of every answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx
import jsonschema
from mcp import types
from mcp.client import Client as ProtocolClient

from candleray import Client
from candleray.agents.answers import MOST_BYTES
from candleray.agents.protocol.door import Door


@dataclass
class Assistant:
    client: ProtocolClient
    tools: dict[str, types.Tool]
    sizes: dict[str, int] = field(default_factory=dict)
    """Bytes of the last answer of each tool."""

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The answer, which fits its schema and is short."""
        result = await self.client.call_tool(tool, arguments)
        assert not result.is_error, _text_of(result)
        content = _content_of(result)
        jsonschema.validate(arguments, self.tools[tool].input_schema)
        jsonschema.validate(content, self.tools[tool].output_schema or {})
        self.sizes[tool] = len(_text_of(result).encode())
        assert self.sizes[tool] <= MOST_BYTES
        return content

    async def refusal(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The payload of an error, and its remedy."""
        return refusal_in(await self.client.call_tool(tool, arguments))

    async def read(self, uri: str) -> str:
        contents = (await self.client.read_resource(uri)).contents
        assert isinstance(contents[0], types.TextResourceContents)
        return contents[0].text


def refusal_in(result: types.CallToolResult) -> dict[str, Any]:
    """The payload of an error, and its remedy: as text alone, for data must fit the tool's schema."""
    content = json.loads(_text_of(result))
    assert result.is_error, content
    assert result.structured_content is None
    assert content["remedy"]
    return {**content["error"], "remedy": content["remedy"]}


def _text_of(result: types.CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, types.TextContent)
    return block.text


def _content_of(result: types.CallToolResult) -> dict[str, Any]:
    """The content, which is the same as text and as data."""
    content: dict[str, Any] = json.loads(_text_of(result))
    assert result.structured_content == content
    return content


@asynccontextmanager
async def assistant_over(transport: Any, **options: Any) -> AsyncIterator[Assistant]:
    """An assistant at a server in this process, or at one behind a transport.

    A task of its own opens and closes the client, which cannot be closed by another: a fixture's end is one.
    """
    opened: asyncio.Future[Assistant] = asyncio.get_running_loop().create_future()
    left = asyncio.Event()

    async def hold() -> None:
        async with ProtocolClient(transport, **options) as client:
            listed = (await client.list_tools()).tools
            opened.set_result(Assistant(client, {tool.name: tool for tool in listed}))
            await left.wait()

    holding = asyncio.create_task(hold())
    await asyncio.wait({holding, opened}, return_when=asyncio.FIRST_COMPLETED)
    try:
        if opened.done():
            yield opened.result()
    finally:
        left.set()
        await holding


@asynccontextmanager
async def assistant_at(url: str, token: str | None = None, **options: Any) -> AsyncIterator[Assistant]:
    """An assistant at a door in this process, which asks the API at that address."""

    async def send(request: httpx.Request) -> httpx.Response:
        return await http.send(request, stream=True)

    def connect(transport: httpx.BaseTransport) -> Client:
        return Client(url, token=token, transport=transport)

    async with httpx.AsyncClient() as http:
        door = Door(connect, send, anyio.CapacityLimiter(8))
        async with assistant_over(door.server(), **options) as assistant:
            yield assistant
