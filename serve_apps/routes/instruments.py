"""Markets and their instruments."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Body, Query
from pydantic import FailFast, Field

from candleray.market_data.instruments.changes import ListingReport
from candleray.market_data.pages import ChangesPage, InstrumentPage, InstrumentsReport
from candleray.markets import MARKETS, InstrumentReference, MarketId, MarketType, Symbol
from candleray.timeframes import Moment, to_ms
from candleray.validation import Model
from serve_apps.backend import InBackend, InSubscriptions
from serve_apps.examples import market_data as examples
from serve_apps.http.access import operators_only
from serve_apps.http.callers import InCaller
from serve_apps.http.json_body import StrictRoute
from serve_apps.http.openapi import example
from serve_apps.shared_writes import SourceQuery

router = APIRouter(prefix="/market-data", tags=["market data"], route_class=StrictRoute)

T = TypeVar("T")


class MarketInfo(Model):
    """One market; `name` is what people type."""

    market_id: int
    name: str
    exchange: str
    market_type: MarketType
    fee_pct: float
    """Default fee of a fill in percent of its notional."""


@router.get("/markets", response_model=list[MarketInfo], responses=example([examples.MARKET]))
async def list_markets() -> Any:
    """The markets and their ids, fixed for good."""
    return [
        MarketInfo(
            market_id=market.market_id,
            name=market.name,
            exchange=market.exchange,
            market_type=market.market_type,
            fee_pct=market.fee_pct,
        )
        for market in MARKETS.values()
    ]


class InstrumentsQuery(Model):
    market_id: MarketId | None = Field(None, description="only this market", examples=[1])
    q: str = Field("", max_length=32, description="part of the symbol", examples=["BTC"])
    limit: int = Field(50, ge=1, le=1000, description="instruments on a page")
    cursor: str = Field("0", pattern=r"^[0-9]{1,6}$", description="`next_cursor` of the page before")


@router.get("/instruments", response_model=InstrumentPage, responses=example(examples.INSTRUMENTS))
async def list_instruments(query: Annotated[InstrumentsQuery, Query()], backend: InBackend) -> Any:
    """Instruments whose symbol contains `q`: the exact one first, then by prefix, then by part."""
    read = partial(backend.candles.instruments, query.market_id, query.q)
    instruments, next_cursor = await _page(read, query.cursor, query.limit)
    return InstrumentPage(instruments=instruments, next_cursor=next_cursor)


References = Annotated[
    list[InstrumentReference],
    FailFast(),
    Body(min_length=1, max_length=20_000, openapi_examples=examples.INSTRUMENT_BODIES),
]


@router.post("/instruments", response_model=InstrumentsReport, responses=example({"received": 1, "written": 1}))
@operators_only
async def put_instruments(
    body: References, query: Annotated[SourceQuery, Query()], caller: InCaller, backend: InBackend
) -> Any:
    """Keep instruments as their exchanges describe them; those stored alike are not written again.

    All users share them: an operator's right, and an event of the audit trail.
    """
    written = await backend.candles.put_instruments(body)
    await backend.shared_writes.record_instruments(caller, body, written, query.source)
    return InstrumentsReport(received=len(body), written=written)


class ChangesQuery(Model):
    market_id: MarketId | None = Field(None, description="only this market", examples=[1])
    symbol: Symbol | None = Field(None, description="only this symbol", examples=["BTCUSDT"])
    since: Moment | None = Field(None, description="only changes since then", examples=["2026-01-01T00:00:00Z"])
    limit: int = Field(100, ge=1, le=1000, description="changes on a page")
    cursor: str = Field("0", pattern=r"^[0-9]{1,6}$", description="`next_cursor` of the page before")


@router.get("/instruments/changes", response_model=ChangesPage, responses=example(examples.CHANGES))
async def list_instrument_changes(query: Annotated[ChangesQuery, Query()], backend: InBackend) -> Any:
    """Changes of what the exchanges say of their instruments, the newest first.

    Listed, delisted, halted, another tick or step: told since the market's list was first read.
    """
    since_ms = to_ms(query.since) if query.since else 0
    read = partial(backend.candles.instrument_changes, query.market_id, query.symbol or "", since_ms)
    changes, next_cursor = await _page(read, query.cursor, query.limit)
    return ChangesPage(changes=changes, next_cursor=next_cursor)


async def _page(
    read: Callable[[int, int], Awaitable[list[T]]], cursor: str, limit: int
) -> tuple[tuple[T, ...], str | None]:
    """A page of a list whose cursors are numbers of entries, and the cursor of the next one.

    Args:
        read: takes the most entries to read, and the number of those before them.
    """
    first = int(cursor)
    found = await read(limit + 1, first)
    return tuple(found[:limit]), str(first + limit) if len(found) > limit else None


class RefreshQuery(Model):
    market_id: MarketId = Field(examples=[1])
    may_shrink: bool = Field(False, description="take a list that lacks most of the known instruments")


@router.post("/instruments/refresh", response_model=ListingReport, responses=example(examples.LISTING_REPORT))
@operators_only
async def refresh_instruments(
    query: Annotated[RefreshQuery, Query()], caller: InCaller, backend: InBackend, subscriptions: InSubscriptions
) -> Any:
    """Read a market's complete list from its exchange, and keep what has changed.

    An instrument that the list lacks stays, as no longer tradable. The scheduler does the same by itself,
    as often as the setting `live.instruments_every_s` says.
    """
    market = MARKETS[query.market_id]
    report = await backend.backfills.refresh(backend.candles, subscriptions, market, query.may_shrink)
    await backend.shared_writes.record_listing(caller, report)
    return report
