"""Subscriptions to instruments whose candles are ingested as they close, and users' wishes for them."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Path, Query
from pydantic import Field

from candleray.feeds.subscriptions import (
    NewSubscriptions,
    RequestState,
    Subscription,
    SubscriptionRequest,
    SubscriptionRequestPage,
    SubscriptionsReport,
)
from candleray.feeds.traded import require_traded
from candleray.identity.roles import role_of
from candleray.markets import MARKETS, Instrument, MarketId, Symbol
from candleray.paging import CURSOR_PATTERN, position_of
from candleray.validation import Model
from serve_apps.backend import InBackend, InSubscriptions
from serve_apps.examples import subscriptions as examples
from serve_apps.http.access import operators_only
from serve_apps.http.callers import InCaller, InUser
from serve_apps.http.json_body import StrictRoute
from serve_apps.http.openapi import example

router = APIRouter(prefix="/market-data", tags=["market data"], route_class=StrictRoute)

RequestId = Annotated[
    UUID,
    Path(description="of `GET /market-data/subscription-requests`", examples=[examples.REQUEST["request_id"]]),
]


class SubscriptionsQuery(Model):
    market_id: MarketId | None = Field(None, description="only this market", examples=[1])


@router.get("/subscriptions", response_model=list[Subscription], responses=example([examples.SUBSCRIPTION]))
async def list_subscriptions(query: Annotated[SubscriptionsQuery, Query()], subscriptions: InSubscriptions) -> Any:
    """The instruments that are ingested: those of the settings and those that operators have added.

    One that is halted or delisted stays, and its `notice` says so.
    """
    return await subscriptions.wanted([query.market_id] if query.market_id else tuple(MARKETS))


@router.post("/subscriptions", response_model=SubscriptionsReport, responses=example(examples.REPORT))
@operators_only
async def add_subscriptions(
    body: Annotated[NewSubscriptions, Body(openapi_examples=examples.BODIES)],
    user: InUser,
    backend: InBackend,
    subscriptions: InSubscriptions,
) -> Any:
    """Subscribe to instruments that their market trades now: to all of them or, where one may not be, to none.

    Candles come within seconds. What is subscribed already is said, and changes nothing.
    """
    market = MARKETS[body.market_id]
    await subscriptions.require_room(market, body.symbols)
    await require_traded(backend.candles, market, body.symbols)
    return await subscriptions.add(user.user_id, market, body.symbols)


class Removal(Model):
    force: bool = Field(
        False, description="although active runs read it: they wait then, and tell their users why"
    )


class Removed(Model):
    removed: Instrument


@router.delete(
    "/subscriptions/{market_id}/{symbol}",
    response_model=Removed,
    responses=example({"removed": examples.INSTRUMENT}),
)
@operators_only
async def remove_subscription(
    market_id: Annotated[MarketId, Path(examples=[1])],
    symbol: Annotated[Symbol, Path(description="of the instrument", examples=["BTCUSDT"])],
    query: Annotated[Removal, Query()],
    user: InUser,
    subscriptions: InSubscriptions,
) -> Any:
    """Ingest an instrument no more; its candles stay. 409 says how many active runs read it."""
    instrument = Instrument(market_id=market_id, symbol=symbol)
    await subscriptions.remove(user.user_id, instrument, query.force)
    return Removed(removed=instrument)


class RequestsQuery(Model):
    state: RequestState | None = Field(None, description="only in this state", examples=["waiting"])
    limit: int = Field(50, ge=1, le=500, description="wishes on a page")
    cursor: str | None = Field(None, pattern=CURSOR_PATTERN, description="`next_cursor` of the page before")


@router.get("/subscription-requests", response_model=SubscriptionRequestPage, responses=example(examples.REQUESTS))
async def list_subscription_requests(
    query: Annotated[RequestsQuery, Query()], caller: InCaller, backend: InBackend, subscriptions: InSubscriptions
) -> Any:
    """The instruments that the user has asked for; to an operator, those that anybody has. The newest first."""
    after = None if query.cursor is None else position_of(query.cursor)
    of_all = role_of(caller, backend.settings) == "operator"
    user_id = None if of_all else caller.user.user_id
    return await subscriptions.requests(user_id, query.state, after, query.limit)


@router.post("/subscription-requests", response_model=SubscriptionRequest, responses=example(examples.REQUEST))
async def ask_for_instrument(
    body: Annotated[Instrument, Body(openapi_examples=examples.INSTRUMENT_BODIES)],
    user: InUser,
    backend: InBackend,
    subscriptions: InSubscriptions,
) -> Any:
    """Ask operators to subscribe to an instrument; asking again while that waits changes nothing."""
    await require_traded(backend.candles, body.market, [body.symbol], "symbol")
    return await subscriptions.ask(user.user_id, body)


@router.post(
    "/subscription-requests/{request_id}/accept",
    response_model=SubscriptionRequest,
    responses=example({**examples.REQUEST, **examples.ACCEPTED}),
)
@operators_only
async def accept_subscription_request(
    request_id: RequestId, user: InUser, backend: InBackend, subscriptions: InSubscriptions
) -> Any:
    """Subscribe to what was asked for; whoever else waits for that instrument is answered too."""
    asked = await subscriptions.waiting_request(request_id)
    await require_traded(backend.candles, asked.market, [asked.symbol], "symbol")
    return await subscriptions.accept(user.user_id, request_id)


class Refusal(Model):
    reason: str = Field(
        "not said", max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$", description="told to who has asked"
    )


@router.post(
    "/subscription-requests/{request_id}/refuse",
    response_model=SubscriptionRequest,
    responses=example({**examples.REQUEST, **examples.REFUSED}),
)
@operators_only
async def refuse_subscription_request(
    request_id: RequestId,
    body: Annotated[Refusal, Body(openapi_examples=examples.REFUSALS)],
    user: InUser,
    subscriptions: InSubscriptions,
) -> Any:
    """Refuse a wish, with the reason that its user reads."""
    return await subscriptions.refuse(user.user_id, request_id, body.reason)
