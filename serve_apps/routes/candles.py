"""Candles: read, inserted, and their coverage."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from candleray.candles import COLUMNS, Candles
from candleray.errors import GuardExceeded, Problem, UnsupportedMediaType
from candleray.market_data.arrow_stream import ARROW, decode_rows, encode_bars
from candleray.market_data.bar_reader import BarReader, CandleReader
from candleray.market_data.coverage import Coverage, MissingRun, RowCounts
from candleray.market_data.insert_report import InsertReport
from candleray.market_data.ledger.candle_ledger import position_of
from candleray.market_data.ledger.known_candles import KnownCandles
from candleray.market_data.ledger.versions import RevisionPage, SentSourceWord
from candleray.market_data.pages import CandlePage
from candleray.market_data.screening import YEAR_2100_MS
from candleray.market_data.steps import require_minutes
from candleray.markets import Instrument, MarketId, Symbol
from candleray.timeframes import Moment, Timeframe, TimeRange, iso, to_ms
from candleray.validation import Model
from serve_apps.backend import Backend, InBackend
from serve_apps.examples import market_data as examples
from serve_apps.http.access import operators_only
from serve_apps.http.callers import InCaller
from serve_apps.http.openapi import example, json_of_arrays
from serve_apps.http.own_candles import InCandles
from serve_apps.shared_writes import SourceQuery

router = APIRouter(prefix="/market-data", tags=["market data"])


class InstrumentQuery(Model):
    market_id: MarketId = Field(examples=[1])
    symbol: Symbol = Field(description="as the exchange writes it", examples=["BTCUSDT"])

    @property
    def instrument(self) -> Instrument:
        return Instrument(market_id=self.market_id, symbol=self.symbol)


class CandlesQuery(InstrumentQuery):
    timeframe: Timeframe = Field("1m", description="of the bars, which are rolled up from minutes")
    start: Moment | None = Field(None, description="the newest bars before `end` where left out")
    end: Moment | None = Field(None, description="the end of what is stored where left out")
    limit: int = Field(1000, ge=1, description="bars on a page")
    as_of: Moment | None = Field(
        None, description="of each minute the version that was the newest at this moment, not the one of now"
    )

    @model_validator(mode="after")
    def _start_before_end(self) -> CandlesQuery:
        require_order(self.start, self.end)
        return self


def require_order(start: datetime | None, end: datetime | None) -> None:
    """Refuse a range that ends before it begins."""
    if start is not None and end is not None and start >= end:
        raise PydanticCustomError(
            "empty_range",
            "start {start} must be before end {end}",
            {"start": iso(to_ms(start)), "end": iso(to_ms(end))},
        )


@router.get(
    "/candles",
    response_model=CandlePage,
    responses={
        200: {
            "description": "Bars as columns; an Arrow stream of the same columns where `Accept` asks for it",
            "content": {
                "application/json": {"example": examples.CANDLES},
                ARROW: {"schema": {"type": "string", "format": "binary"}},
            },
        }
    },
)
async def get_candles(
    request: Request, query: Annotated[CandlesQuery, Query()], backend: InBackend, candles: InCandles
) -> Response:
    """Closed and full bars of a timeframe, a page at a time: `next_start` is the `start` of the next one.

    Without `start`: the newest `limit` bars. With `as_of`: what was known at that moment, also where a minute was
    changed or came later.
    """
    _check_limit(query.limit, backend, "begins at next_start")
    known: CandleReader = candles
    if query.as_of is not None:
        known = KnownCandles(candles, to_ms(query.as_of))
    bars, next_start_ms = await _page(query, BarReader(known, query.instrument, query.timeframe))
    if ARROW in request.headers.get("accept", ""):
        return Response(encode_bars(bars, next_start_ms), media_type=ARROW, headers={"Vary": "Accept"})
    answer = json_of_arrays(
        {
            "instrument": query.instrument,
            "timeframe": query.timeframe,
            "ts_open_ms": bars.ts_open_ms,
            **{name: bars.column(name) for name in COLUMNS},
            "next_start": None if next_start_ms is None else iso(next_start_ms),
        }
    )
    answer.headers["Vary"] = "Accept"
    return answer


def _check_limit(limit: int, backend: Backend, next_page: str) -> None:
    most = backend.settings.guards.max_candles_per_answer
    if limit > most:
        message = f"limit {limit} is over the limit of {most} for one answer; the next page {next_page}"
        raise GuardExceeded(message, [Problem("limit", "over_the_limit", message)])


async def _page(query: CandlesQuery, reader: BarReader) -> tuple[Candles, int | None]:
    end_ms = None if query.end is None else to_ms(query.end)
    if query.start is None:
        newest = await reader.last(query.limit, warmup=0, end_ms=end_ms)
        return newest.bars, None
    return await reader.page(to_ms(query.start), end_ms, query.limit)


class RevisionsQuery(InstrumentQuery):
    start: Moment | None = Field(None, description="the first minute looked at; the first there is where left out")
    end: Moment | None = Field(None, description="the first minute no longer looked at; none where left out")
    limit: int = Field(1000, ge=1, description="versions on a page")
    cursor: str = Field(
        "0-0", pattern=r"^[0-9]{1,13}-[0-9]{1,13}$", description="`next_cursor` of the page before"
    )

    @model_validator(mode="after")
    def _start_before_end(self) -> RevisionsQuery:
        require_order(self.start, self.end)
        return self


@router.get("/revisions", response_model=RevisionPage, responses=example(examples.REVISIONS))
async def get_revisions(query: Annotated[RevisionsQuery, Query()], backend: InBackend, candles: InCandles) -> Any:
    """The minutes that were given other values after they were known, every version of each, oldest first.

    A version that only adds a quote volume or a number of trades that was unknown makes no such minute.
    """
    _check_limit(query.limit, backend, "has the cursor next_cursor")
    return await candles.revisions(
        query.market_id,
        query.symbol,
        0 if query.start is None else to_ms(query.start),
        YEAR_2100_MS if query.end is None else to_ms(query.end),
        position_of(query.cursor),
        query.limit,
    )


class CoverageQuery(Model):
    market_id: MarketId | None = Field(None, description="only this market", examples=[1])
    symbol: Symbol | None = Field(None, description="only this symbol", examples=["BTCUSDT"])


@router.get("/coverage", response_model=list[Coverage], responses=example([examples.COVERAGE]))
async def get_coverage(query: Annotated[CoverageQuery, Query()], backend: InBackend) -> Any:
    """First and last candle of every instrument stored, and every hole between them."""
    return await backend.candles.coverage(query.market_id, query.symbol)


@router.get("/counts", response_model=list[RowCounts], responses=example([examples.COUNTS]))
async def get_counts(backend: InBackend) -> Any:
    """Rows of every instrument in raw and, as readers see them, in canonical: equal but for newer versions."""
    return await backend.candles.counts()


class MissingQuery(InstrumentQuery, TimeRange):
    start: Moment = Field(description="the first minute looked at", examples=["2025-01-01T00:00:00Z"])
    end: Moment = Field(description="the first minute no longer looked at", examples=["2026-01-01T00:00:00Z"])


@router.get("/missing", response_model=list[MissingRun], responses=example(examples.COVERAGE["missing_runs"]))
async def get_missing(query: Annotated[MissingQuery, Query()], backend: InBackend) -> Any:
    """The runs of minutes of a range that have no candle, which a backfill would fetch."""
    return await backend.candles.missing(query.market_id, query.symbol, query.start_ms, query.end_ms)


class InsertQuery(InstrumentQuery, SourceQuery):
    source_kind: SentSourceWord = Field(
        "api",
        description="what the rows were read from: files, an exchange's REST, or not said; kept with every row",
    )
    first_row: int = Field(1, ge=1, description="the number of the first row in its source, for messages")


@router.post(
    "/candles",
    response_model=InsertReport,
    responses=example(examples.INSERT_REPORT),
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "An uncompressed Arrow IPC stream with the columns `ts_open_ms` int64, `open`, `high`, "
            "`low`, `close`, `volume` and, where known, `quote_volume` and `trades`, all float64, and `row` int64 "
            "where the rows' numbers in their source do not follow one another",
            "content": {ARROW: {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
@operators_only
async def insert_candles(
    request: Request, query: Annotated[InsertQuery, Query()], caller: InCaller, backend: InBackend
) -> Any:
    """Write one-minute candles, which all users share: an operator's right, and an event of the audit trail.

    The same rows again change nothing; rows that are not candles are refused, and all of them where their steps
    show another interval than a minute. The answer accounts for every row:
    `received = written + unchanged` and what was refused, by reason; of those written, `changed` gave a stored
    minute other values.
    """
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != ARROW:
        raise UnsupportedMediaType(f"send Content-Type: {ARROW}, got {content_type[:60] or 'none'}")
    rows = await asyncio.to_thread(decode_rows, await request.body(), query.first_row)
    await asyncio.to_thread(require_minutes, rows.ts_open_ms)
    report = await backend.candles.insert(query.market_id, query.symbol, rows, query.source_kind)
    await backend.shared_writes.record_candles(caller, query.instrument, rows, report, query.source)
    return report
