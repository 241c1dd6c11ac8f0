"""Request slots: how many requests a replica works on at once, of everybody and of one caller."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any, Literal, TypeVar

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from candleray.errors import CandlerayError
from candleray.settings import Settings
from serve_apps.fair_shares import FairShares
from serve_apps.http.access import CALLER
from serve_apps.http.callers import address_of
from serve_apps.http.errors import error_response
from serve_apps.http.middleware import HttpLayer

Kind = Literal["request", "stream", "agent", "none"]

_KIND = "__candleray_slot__"

EndpointT = TypeVar("EndpointT", bound=Callable[..., Any])


def slot(kind: Kind) -> Callable[[EndpointT], EndpointT]:
    """Mark a route whose requests hold another kind of slot, or none: those that say whether the API lives."""

    def mark(endpoint: EndpointT) -> EndpointT:
        setattr(endpoint, _KIND, kind)
        return endpoint

    return mark


def slot_of(route: APIRoute) -> Kind:
    kind: Kind = getattr(route.endpoint, _KIND, "request")
    return kind


def holder_of(scope: Scope, settings: Settings) -> str:
    """The caller whose share a request counts to: the user, or the address of one who is unknown."""
    caller = scope.get(CALLER)
    return f"user {caller.user.user_id}" if caller else f"address {address_of(Request(scope), settings)}"


class Slots(HttpLayer):
    """Lets a request in when a slot of its kind is free, in turns between callers."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        super().__init__(app)
        self.settings, rules = settings, settings.api
        self.shares: Mapping[str, FairShares] = {
            "request": FairShares(
                "requests",
                total=rules.max_ongoing_requests,
                each=rules.max_requests_per_user,
                waiting=rules.max_waiting_per_user,
                wait_s=rules.slot_wait_s,
            ),
            "stream": FairShares(
                "event streams",
                total=rules.max_streams,
                each=rules.max_streams_per_user,
                waiting=0,
                wait_s=rules.slot_wait_s,
            ),
            # Apart from requests: what such a call asks of the API takes slots of requests in its turn.
            "agent": FairShares(
                "calls of assistants",
                total=rules.max_agent_calls,
                each=rules.max_agent_calls // 8,
                waiting=rules.max_waiting_per_user,
                wait_s=rules.slot_wait_s,
            ),
        }

    async def around(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = scope.get("route")
        shares = self.shares.get(slot_of(route)) if isinstance(route, APIRoute) else None
        if shares is None:
            await self.app(scope, receive, send)
            return
        async with AsyncExitStack() as held:
            try:
                await held.enter_async_context(shares.held(holder_of(scope, self.settings)))
            except CandlerayError as error:
                await error_response(error)(scope, receive, send)
                return
            await self.app(scope, receive, send)
