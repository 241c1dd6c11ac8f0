"""The door over stdin and stdout, as programs on the same machine start it."""

from __future__ import annotations

import anyio
import httpx
from mcp.server.stdio import stdio_server

from candleray.agents.presence import Presence
from candleray.agents.protocol.door import Door
from candleray.agents.protocol.unread_lines import answering
from candleray.build import BUILD_HEADER
from candleray.network.clients import async_client
from candleray.network.own_addresses import is_own
from candleray.sdk.client import Client

_THREADS = 16
"""Calls at once: an assistant makes a few."""


async def serve_pipes(url: str, token: str | None) -> None:
    """Answer until stdin ends; a job that was submitted goes on."""

    presence = Presence(url)

    async def send(request: httpx.Request) -> httpx.Response:
        try:
            answer = await over_network.send(request, stream=True)
        except httpx.TransportError:
            presence.was_silent()
            raise
        # What stands before the API answers in its place while it restarts, and knows no build.
        presence.answered() if BUILD_HEADER in answer.headers else presence.was_silent()
        return answer

    def connect(transport: httpx.BaseTransport) -> Client:
        return Client(url, token=token, transport=transport)

    async with async_client(direct=is_own(httpx.URL(url).host)) as over_network:
        server = Door(connect, send, anyio.CapacityLimiter(_THREADS), presence).server()
        try:
            async with stdio_server() as (incoming, outgoing), answering(incoming, outgoing) as messages:
                await server.run(messages, outgoing, server.create_initialization_options())
        except* BrokenPipeError:
            pass  # whoever started it is gone, and reads no answer more
