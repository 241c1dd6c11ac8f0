"""Lines of stdin that are no message: the protocol's server drops them, and who sent one would wait for good."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import anyio
from anyio.abc import ObjectReceiveStream
from mcp import types
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

Incoming: TypeAlias = ObjectReceiveStream[SessionMessage | Exception]


@asynccontextmanager
async def answering(incoming: Any, outgoing: Any) -> AsyncIterator[Incoming]:
    """The messages that come in; what is none of them is answered with an error that has no id."""
    send, messages = anyio.create_memory_object_stream[SessionMessage | Exception]()

    async def sort() -> None:
        async with send, incoming:
            async for item in incoming:
                if not isinstance(item, Exception):
                    await send.send(item)
                elif (error := _error(item)) is not None:
                    await outgoing.send(SessionMessage(error))

    async with messages, anyio.create_task_group() as sorting:
        sorting.start_soon(sort)
        yield messages
        sorting.cancel_scope.cancel()


def _error(refused: Exception) -> types.JSONRPCError | None:
    """Words about a line; None about an empty one."""
    first = refused.errors(include_url=False)[0] if isinstance(refused, ValidationError) else None
    if first is None or first["type"] != "json_invalid":
        code, words = types.INVALID_REQUEST, "no JSON-RPC message: it has a jsonrpc, an id, a method and params"
    elif not str(first["input"]).strip():
        return None
    else:
        code, words = types.PARSE_ERROR, f"no JSON: {first['ctx']['error']}"
    return types.JSONRPCError(
        jsonrpc="2.0", id=None, error=types.ErrorData(code=code, message=f"a line is {words}")
    )
