"""Server-sent events: how they are documented, and that whoever reads them still may."""

from __future__ import annotations

import time

from fastapi import Request
from fastapi.sse import EventSourceResponse

from serve_apps.backend import Backend
from serve_apps.http.access import require_same_caller

ASK_AGAIN_S = 3.0
"""Seconds for which a stream goes on whose caller's token has been revoked."""


class EventStream(EventSourceResponse):
    """Server-sent events. FastAPI documents a route's errors, which are JSON, under this media type."""

    media_type = "application/json"


class SameCaller:
    """The caller of a stream, who is asked for again while it goes on."""

    def __init__(self, request: Request, backend: Backend) -> None:
        self._request = request
        self._backend = backend
        self._asked_at = time.monotonic()

    async def require(self) -> None:
        """Ask, unless that was a moment ago.

        Raises:
            Unauthenticated: the caller's token is good no more.
        """
        if time.monotonic() - self._asked_at > ASK_AGAIN_S:
            await require_same_caller(self._request, self._backend)
            self._asked_at = time.monotonic()
