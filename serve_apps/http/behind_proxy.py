"""Layers between the instance's own HAProxy and Serve, in the process of a replica."""

from __future__ import annotations

import asyncio
import hmac
import sys

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from candleray.errors import Forbidden
from candleray.settings import get_settings
from cluster.instance.haproxy_rules import PEER_HEADER
from serve_apps.http.errors import error_response
from serve_apps.http.middleware import BODY_WANTED, HttpLayer, RequestIds, SafeHeaders, has_body

_SERVES_OWN = frozenset({"/-/healthz", "/-/routes"})

PAST_THE_PROXY = Forbidden("this port is the proxy's alone: send requests to the API's own port")


def outside_serve() -> list[Middleware]:
    """Layers outside of Serve's own: it would echo any id a caller sends, and read bodies ahead without bound."""
    key = get_settings().api.proxy_key
    layers = [Middleware(RequestIds), Middleware(SafeHeaders)]
    if key is not None:
        layers.append(Middleware(CallersAddress, key=key.get_secret_value()))
    if _in_replica():  # elsewhere a request goes on to a replica, which reads it
        layers.append(Middleware(UnreadBodies))
    return layers


def _in_replica() -> bool:
    context = sys.modules.get("ray.serve.context")  # which Serve has loaded before it starts a replica
    return context is not None and context._get_internal_replica_context() is not None


class CallersAddress(HttpLayer):
    """Takes the caller's address from our proxy, and refuses whoever comes past it."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        super().__init__(app)
        self._key = key

    async def around(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = MutableHeaders(scope=scope)
        key, _, address = headers.get(PEER_HEADER, "").partition(" ")
        del headers[PEER_HEADER]
        if hmac.compare_digest(key.encode(), self._key.encode()):
            scope["client"] = (address or "127.0.0.1", 0)  # none is told of the supervisor's own socket
        elif scope["path"] not in _SERVES_OWN:
            await error_response(PAST_THE_PROXY)(scope, receive, send)
            return
        await self.app(scope, receive, send)


class UnreadBodies(HttpLayer):
    """Leaves a body in the socket until the application wants it."""

    async def around(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not has_body(scope):
            await self.app(scope, receive, send)
            return
        wanted = scope[BODY_WANTED] = asyncio.Event()

        async def receive_wanted() -> Message:
            await wanted.wait()
            return await receive()

        await self.app(scope, receive_wanted, send)
