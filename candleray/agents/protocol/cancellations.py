"""Cancellations that a caller asks for, told from connections that are lost: both end a call alike.

The protocol ends the call first, then tells of the notification. Over HTTP there is none: whoever hangs up has
cancelled, or has lost the connection, and nobody can say which.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext

_TOLD_WITHIN_S = 1.0


class Cancellations:
    """Middleware of the protocol's server that hears them."""

    def __init__(self) -> None:
        self._under_way: dict[str | int, anyio.Event] = {}

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        if ctx.method == "notifications/cancelled":
            named = (ctx.params or {}).get("requestId")
            if isinstance(named, str | int) and named in self._under_way:
                self._under_way[named].set()
        return await call_next(ctx)

    @contextmanager
    def heard(self, request_id: str | int | None) -> Iterator[Callable[[], Awaitable[bool]]]:
        """A question about the call, once it has ended: was that asked for?"""
        asked_for = anyio.Event()

        async def is_cancelled() -> bool:
            with anyio.move_on_after(_TOLD_WITHIN_S):
                await asked_for.wait()
            return asked_for.is_set()

        if request_id is not None:
            self._under_way[request_id] = asked_for
        try:
            yield is_cancelled
        finally:
            if request_id is not None:
                self._under_way.pop(request_id, None)
