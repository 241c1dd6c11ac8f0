"""Layers around every request, as pure ASGI: each class is one layer and knows nothing of the others."""

from __future__ import annotations

import re
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from candleray.build import BUILD_HEADER, own_build
from candleray.logs import get_logger
from cluster.instance.haproxy_rules import SAFE_HEADERS
from serve_apps.http.errors import INTERNAL, error_response

REQUEST_ID = "X-Request-ID"
BODY_WANTED = "candleray.body_wanted"
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


def has_body(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def want_body(scope: Scope) -> None:
    """Have the body read from the socket, where it has been left there until somebody wants it."""
    if BODY_WANTED in scope:
        scope[BODY_WANTED].set()


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


class SafeHeaders(HttpLayer):
    """Puts headers on every answer that keep browsers from making it a frame, a script or a part of a page."""

    async def around(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_safe(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SAFE_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_safe)


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
