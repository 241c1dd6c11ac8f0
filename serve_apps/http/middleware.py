"""Layers around every request, as pure ASGI: each class is one layer and knows nothing of the others."""

from __future__ import annotations

import re
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from candleray.build import BUILD_HEADER, own_build
from candleray.logs import get_logger
from serve_apps.http.errors import INTERNAL, error_response, too_large

REQUEST_ID = "X-Request-ID"
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

log = get_logger("api")


class HttpLayer:
    """A layer around HTTP requests; everything else passes by."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        around = self.around if scope["type"] == "http" else self.app
        await around(scope, receive, send)

    async def around(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise NotImplementedError


class RequestIds(HttpLayer):
    """Puts the request's id on its answer and log lines: the caller's own if it is sane, else a new one."""

    async def around(self, scope: Scope, receive: Receive, send: Send) -> None:
        callers_id = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = callers_id if _SANE_ID.fullmatch(callers_id) else uuid.uuid4().hex
        MutableHeaders(scope=scope)[REQUEST_ID] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        with bound_contextvars(request_id=request_id):
            await self.app(scope, receive, send_with_id)


def outside_serve() -> list[Middleware]:
    """Layers outside of Serve's own, which would echo any id a caller sends and add it to ours."""
    return [Middleware(RequestIds)]


class BuildHeader(HttpLayer):
    """Tells in every answer which code gave it, so that a client of another version can say so."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app)
        self._build = own_build()

    async def around(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_build(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[BUILD_HEADER] = self._build
            await send(message)

        await self.app(scope, receive, send_with_build)


class HeadRequests(HttpLayer):
    """Answers HEAD as GET without the body, on every path that has GET."""

    async def around(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        if scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        # A copy: a server that finds GET in its own scope misses the body, and closes the connection.
        inner = {**scope, "method": "GET"}
        try:
            await self.app(inner, receive, send_without_body)
        finally:
            # The layers outside read which route was found.
            if "route" in inner:
                scope["route"] = inner["route"]


class UnexpectedErrors(HttpLayer):
    """Catches every other error: the log gets the traceback, the caller an answer without it."""

    async def around(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except Exception:
            log.exception("request_failed", method=scope["method"], path=scope["path"])
            if started:
                raise  # the connection must break: half an answer must not look like a whole one
            await error_response(INTERNAL)(scope, receive, send)


class BodyLimit(HttpLayer):
    """Refuses a body above the limit at once: by its declared length, or while it comes in."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        super().__init__(app)
        self.max_bytes = max_bytes

    async def around(self, scope: Scope, receive: Receive, send: Send) -> None:
        received = 0

        async def count() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.max_bytes:
                # FastAPI lets no other exception through while it reads a body.
                raise HTTPException(413)
            return message

        if _declared_length(scope) > self.max_bytes:
            await error_response(too_large(self.max_bytes))(scope, receive, send)
        else:
            await self.app(scope, count, send)


def _declared_length(scope: Scope) -> int:
    declared = Headers(scope=scope).get("content-length", "")
    return int(declared) if declared.isascii() and declared.isdigit() else 0
