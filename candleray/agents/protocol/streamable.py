"""The door over HTTP, a request at a time: nothing is kept between two, so any replica answers any of them."""

from __future__ import annotations

from typing import Any

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from candleray.agents.protocol.door import Door


async def serve_request(door: Door, scope: Any, receive: Any, send: Any) -> None:
    """Answer one request of the protocol, of this year's kind or of those before, as an ASGI application does."""
    manager = StreamableHTTPSessionManager(app=door.server(), stateless=True)
    async with manager.run():
        await manager.handle_request(scope, receive, send)
