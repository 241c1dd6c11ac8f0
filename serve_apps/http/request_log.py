"""One log line per request, and its metrics."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from candleray.logs import get_logger
from serve_apps.http.errors import CLIENT_LEFT
from serve_apps.http.middleware import HttpLayer
from serve_apps.metrics import Metrics

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

log = get_logger("api")


class RequestLog(HttpLayer):
    """Counts and times every request, and writes one line about it."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        super().__init__(app)
        self.metrics = metrics

    async def around(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        status, sent_bytes, started = CLIENT_LEFT, 0, time.perf_counter()

        async def watch(message: Message) -> None:
            nonlocal status, sent_bytes
            status = message.get("status", status)
            sent_bytes += len(message.get("body", b""))
            await send(message)

        self.metrics.request_began()
        try:
            await self.app(scope, receive, watch)
        finally:
            # Also when the caller has left: Serve then cancels the request.
            seconds, route = time.perf_counter() - started, _template(scope)
            self.metrics.request_ended(route, method, status, seconds)
            log.info(
                "request",
                method=method,
                route=route,
                status=status,
                duration_ms=round(seconds * 1000, 2),
                bytes=sent_bytes,
            )


def _template(scope: Scope) -> str:
    """The path as declared, so that all the paths that callers make up are one series."""
    return str(getattr(scope.get("route"), "path", "unknown"))
