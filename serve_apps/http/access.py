"""Access to routes: each needs a user and a scope, unless it says otherwise. A new route is protected by default.

A token may do what its scopes say and its user's role allows: a scope never makes an operator.

@router.get("/health")
@public
async def health() -> Any: ...

@router.post("/backtests")
@needs("read")          # by default GET needs `read`, everything else `trade`
async def run_backtest() -> Any: ...

@router.post("/market-data/candles")
@operators_only         # whatever writes what all users share
async def insert_candles() -> Any: ...
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from candleray.databases.postgres import borrowing_for
from candleray.errors import CandlerayError, Forbidden, Unauthenticated
from candleray.identity.models import Role
from candleray.identity.models import Scope as TokenScope
from candleray.identity.roles import require_operator
from candleray.identity.token_store import AccessTokens
from candleray.identity.tokens import Caller, csrf_token
from serve_apps.backend import Backend
from serve_apps.http.errors import error_response
from serve_apps.http.middleware import HttpLayer
from serve_apps.http.patience import answered_within

KNOWN_WITHIN_S = 5.0
"""The longest that a caller waits to be known: on a busy machine, half took 0.5 s at a load of 40."""

SESSION_COOKIE = "candleray_session"
CSRF_HEADER = "X-CSRF-Token"
CALLER = "candleray.caller"

_ACCESS = "__candleray_access__"
_ROLE = "__candleray_role__"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_PUBLIC = "public"

EndpointT = TypeVar("EndpointT", bound=Callable[..., Any])

NOBODY = Unauthenticated("log in: this needs a token in the header Authorization: Bearer …")
BAD_TOKEN = Unauthenticated("the token is not valid: it is unknown, expired or revoked")
BAD_CSRF = Forbidden(f"a request by cookie needs the session's own {CSRF_HEADER}")


def public(endpoint: EndpointT) -> EndpointT:
    """Mark a route that needs no user."""
    setattr(endpoint, _ACCESS, _PUBLIC)
    return endpoint


def needs(scope: TokenScope) -> Callable[[EndpointT], EndpointT]:
    """Mark a route that needs another scope than its method says."""

    def mark(endpoint: EndpointT) -> EndpointT:
        setattr(endpoint, _ACCESS, scope)
        return endpoint

    return mark


def operators_only(endpoint: EndpointT) -> EndpointT:
    """Mark a route that writes what all users share."""
    setattr(endpoint, _ROLE, "operator")
    return endpoint


def require_scope(caller: Caller, needed: TokenScope) -> None:
    """Raise Forbidden where the caller's token may not do that."""
    if needed in caller.scopes:
        return
    has = ", ".join(caller.scopes)
    made = f"`candleray tokens create NAME --scope {needed}` makes one"
    raise Forbidden(
        f"this token lacks the scope {needed!r}, it has {has}: {made}, and a login has all (but "
        "CANDLERAY_TOKEN comes before it)"
    )


def role_for(route: APIRoute) -> Role | None:
    """The role that a caller of the route needs; None where every user will do."""
    marked: Role | None = getattr(route.endpoint, _ROLE, None)
    return marked


def scope_of(route: APIRoute) -> TokenScope | None:
    """The scope that a caller of the route needs; None where it needs no user."""
    marked = getattr(route.endpoint, _ACCESS, None)
    if marked is not None:
        return None if marked == _PUBLIC else marked
    return "read" if (route.methods or set()) <= _SAFE else "trade"


class Authentication(HttpLayer):
    """Identifies the sender of a request before any byte of its body is read."""

    def __init__(self, app: ASGIApp, backend: Backend, routes: Iterable[APIRoute]) -> None:
        super().__init__(app)
        self._backend = backend
        self._routes = tuple(routes)

    async def around(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._route(scope)
        needed = scope_of(route) if route else None
        if route:
            scope["route"] = route  # for the layers within, and for the log where the request goes no further
        if needed is None:  # public, or no route at all
            await self.app(scope, receive, send)
            return
        try:
            caller = await self._caller(scope, needed)
            if route and role_for(route) == "operator":
                require_operator(caller, self._backend.settings)
            scope[CALLER] = caller
        except CandlerayError as error:
            headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthenticated) else None
            await error_response(error, headers)(scope, receive, send)
            return
        with borrowing_for(str(caller.user.user_id)):
            await self.app(scope, receive, _unshared(send))

    def _route(self, scope: Scope) -> APIRoute | None:
        return next((route for route in self._routes if route.matches(scope)[0] is Match.FULL), None)

    async def _caller(self, scope: Scope, needed: TokenScope) -> Caller:
        headers = Headers(scope=scope)
        token, by_cookie = _token(headers)
        if token is None:
            raise NOBODY
        caller = await _caller_of(token, self._backend)
        if caller is None:
            raise BAD_TOKEN
        if by_cookie and scope["method"] not in _SAFE:
            _require_csrf(headers, token)
        require_scope(caller, needed)
        return caller


async def session_of(request: Request, backend: Backend) -> Caller | None:
    """The caller of a browser's session; None where the cookie is missing or good no more."""
    token, by_cookie = _token(request.headers)
    return await _caller_of(token, backend) if token and by_cookie else None


async def _caller_of(token: str, backend: Backend) -> Caller | None:
    tokens = AccessTokens(await backend.postgres(), backend.settings.identity)
    return await answered_within(tokens.caller_of(token), KNOWN_WITHIN_S, "Postgres")


async def require_same_caller(request: Request, backend: Backend) -> None:
    """Ask again for the caller of a request that goes on for long.

    Raises:
        Unauthenticated: its token is good no more.
    """
    token, _ = _token(request.headers)
    tokens = AccessTokens(await backend.postgres(), backend.settings.identity)
    if token is None or await tokens.caller_of(token) is None:
        raise BAD_TOKEN


def bearer_of(request: Request) -> str:
    """The token that a program sent by itself.

    Raises:
        Unauthenticated: a browser sent a cookie in its place.
    """
    token, by_cookie = _token(request.headers)
    if token is None or by_cookie:
        raise NOBODY
    return token


def _token(headers: Headers) -> tuple[str | None, bool]:
    """The token, and whether a browser sent it by itself."""
    given = headers.get("authorization")
    if given is not None:
        kind, _, token = given.partition(" ")
        return (token.strip() if kind.lower() == "bearer" else ""), False
    for pair in headers.get("cookie", "").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == SESSION_COOKIE:
            return value, True
    return None, False


def _require_csrf(headers: Headers, token: str) -> None:
    given = headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(given.encode("utf-8", "replace"), csrf_token(token).encode()):
        raise BAD_CSRF


def _unshared(send: Send) -> Send:
    """Forbid caches between us and the caller to keep one user's answer."""

    async def send_private(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["Cache-Control"] = "private, no-store"
        await send(message)

    return send_private


async def require_access(request: Request) -> None:
    """The second lock behind `Authentication`, on every route that is not public."""
    route = request.scope.get("route")
    if getattr(getattr(route, "endpoint", None), _ACCESS, None) != _PUBLIC and CALLER not in request.scope:
        raise NOBODY


def describe_access(document: dict[str, Any], routes: Iterable[APIRoute]) -> dict[str, Any]:
    """The OpenAPI document with the access that each route needs."""
    schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
    schemes["token"] = {"type": "http", "scheme": "bearer", "description": "a session's or an API token"}
    schemes["cookie"] = {
        "type": "apiKey",
        "in": "cookie",
        "name": SESSION_COOKIE,
        "description": f"a browser's session; what changes something needs {CSRF_HEADER} too",
    }
    for route in routes:
        needed = scope_of(route)
        for method in route.methods or ():
            operation = document["paths"].get(route.path_format, {}).get(method.lower())
            if operation is not None and needed is not None:
                operation["security"] = [{"token": []}, {"cookie": []}]
                operation["x-scope"] = needed
                if role := role_for(route):
                    operation["x-role"] = role
    return document
