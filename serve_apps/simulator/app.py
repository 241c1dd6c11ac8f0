"""The exchange simulator: a server that answers and streams as the venues do, from candles of our choice.

One address serves all markets, because their paths do not overlap.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, HTTPException, Query, Request, Response

from candleray.errors import CandlerayError, invalid, nearest
from candleray.markets import Market, find_market
from candleray.simulator.accounts.accounts import PrivateQuestion
from candleray.simulator.candle_source import CandleSource
from candleray.simulator.faults.fault import Fault, fault_kinds, find_kind
from candleray.simulator.faults.fault_book import FaultBook
from candleray.simulator.generated_candles import GeneratedCandles
from candleray.simulator.kline_frames import candles_of
from candleray.simulator.market_clock import MarketClock
from candleray.simulator.sent_log import SentLog
from candleray.simulator.venue_record import VenueRecord
from candleray.simulator.venues import Reply, simulated_markets
from candleray.timeframes import MINUTE_MS
from serve_apps.simulator.models import (
    AccountState,
    BegunFault,
    ClockChange,
    ClockState,
    FaultCount,
    FaultPlace,
    KeyOfAccount,
    SentPage,
    SimulatorState,
    StreamState,
    TruthPage,
)
from serve_apps.simulator.requests import Faults, Simulator
from serve_apps.simulator.streams import MarketStreams, Streams

_MOST_TRUE_MINUTES = 50_000
_MOST_BODY = 10_000
_log = logging.getLogger(__name__)


def build_simulator(
    source: CandleSource | None = None,
    faults: Faults | None = None,
    *,
    with_limits: bool = True,
    clock: MarketClock | Callable[[], float] = time.time,
    connection_speed: float = 1.0,
    sent_file: Path | None = None,
) -> FastAPI:
    """The application.

    `clock` is the venues' time, in seconds since the epoch where it is a function. `connection_speed` is that of
    pings, silence and frames a second. Websockets need a server whose `ws` is `VenueSocket`.
    """
    source = source or GeneratedCandles()
    clock = clock if isinstance(clock, MarketClock) else MarketClock.follow(clock)
    faults = faults or Faults()
    record = VenueRecord(source, FaultBook(clock.now_ms(), partial(_tradable, source), faults.schedule()))
    simulator = Simulator(record, faults, with_limits=with_limits, clock=clock)
    log = SentLog(sent_file)
    streams = Streams(record, clock, log, connection_speed=connection_speed)

    @asynccontextmanager
    async def push_streams(app: FastAPI) -> AsyncIterator[None]:
        pushing = asyncio.create_task(streams.run())
        pushing.add_done_callback(_end_with)
        yield
        pushing.cancel()
        await asyncio.wait({pushing})
        log.close()

    app = FastAPI(title="Candleray exchange simulator", openapi_url=None, lifespan=push_streams)
    app.state.streams, app.state.simulator = streams, simulator
    _add_own_routes(app, simulator, streams, log)

    # A plain route: FastAPI would spend a third of a page's time on parameters, of which there are none.
    async def venue(request: Request) -> Response:
        reply = await _reply(simulator, request)
        return Response(reply.body, reply.status, {"content-type": "application/json", **reply.headers})

    app.add_route("/{path:path}", venue, methods=["GET", "POST", "DELETE"])
    return app


async def _reply(simulator: Simulator, request: Request) -> Reply:
    desk = simulator.accounts.desk_for(request.url.path)
    if desk is not None:
        return await simulator.reply_privately(desk, await _private_question(request, simulator.now_ms()))
    if request.method != "GET":
        return Reply(405, b"this path takes GET alone", {"content-type": "text/plain"})
    return await simulator.reply(request.url.path, dict(request.query_params))


async def _private_question(request: Request, now_ms: int) -> PrivateQuestion:
    body = (await request.body())[:_MOST_BODY].decode("utf-8", "replace")
    headers = {name.lower(): value for name, value in request.headers.items()}
    return PrivateQuestion(request.method, request.url.path, request.url.query, body, headers, now_ms)


def _end_with(pushing: asyncio.Task[None]) -> None:
    """End the process where the streams broke: silent for ever, it would pass for venues without trades."""
    if not pushing.cancelled() and (error := pushing.exception()):
        _log.critical("the streams broke, and so the simulator ends", exc_info=error)
        signal.raise_signal(signal.SIGTERM)


def _tradable(source: CandleSource, market: Market) -> list[str]:
    return [instrument.symbol for instrument in source.instruments(market) if instrument.is_tradable]


def _add_own_routes(app: FastAPI, simulator: Simulator, streams: Streams, log: SentLog) -> None:
    """The simulator's own routes; asynchronous ones, because they share the loop's state."""

    @app.get("/simulator")
    async def state() -> SimulatorState:
        return _state(simulator, streams)

    @app.put("/simulator/faults")
    async def set_faults(faults: Faults) -> SimulatorState:
        simulator.faults = faults
        streams.record.book.reschedule(streams.clock.now_ms(), faults.schedule())
        return _state(simulator, streams)

    @app.post("/simulator/faults/{kind}")
    async def begin_fault(kind: str, where: FaultPlace) -> BegunFault:
        try:
            fault = _asked_fault(streams, kind, where)
        except CandlerayError as exc:
            raise HTTPException(422, str(exc)) from exc
        streams.inject(fault)
        return BegunFault.of(fault)

    @app.put("/simulator/keys")
    async def set_key(key: KeyOfAccount) -> AccountState:
        simulator.accounts.register(key.exchange, key.as_key())
        return AccountState.of(simulator.accounts.book(key.exchange, key.api_key))

    @app.get("/simulator/truth")
    async def truth(market: str, symbol: str, start: int, end: int) -> TruthPage:
        try:
            return _truth(streams, market, symbol, start, end)
        except CandlerayError as exc:
            raise HTTPException(422, str(exc)) from exc

    @app.put("/simulator/clock")
    async def move_clock(change: ClockChange) -> ClockState:
        streams.move_clock(speed=change.speed, step_s=change.step_s)
        return _clock_state(streams)

    @app.get("/simulator/sent")
    async def sent(
        since: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(ge=1, le=50_000)] = 10_000
    ) -> SentPage:
        entries = log.since(since, limit)
        return SentPage(entries=entries, next=entries[-1]["number"] if entries else since)


def _asked_fault(streams: Streams, name: str, where: FaultPlace) -> Fault:
    kind, market = find_kind(name), find_market(where.market)
    if not kind.is_at(market):
        raise invalid("market", "not_at_this_market", f"{market.name} has no fault {name!r}")
    if kind.is_of_symbol != (where.symbol is not None):
        needs = "needs a symbol" if kind.is_of_symbol else "is of a market, not of a symbol"
        raise invalid("symbol", "symbol_of_a_fault", f"the fault {name!r} {needs}")
    if where.symbol is not None:
        _require_symbol(streams, market, where.symbol)
    lasts_ms = None if where.lasts_s is None else round(where.lasts_s * 1000)
    now_ms, book = streams.clock.now_ms(), streams.record.book
    return book.add(kind, market, where.symbol, now_ms, lasts_ms=lasts_ms, variant=where.variant)


def _require_symbol(streams: Streams, market: Market, symbol: str) -> None:
    known = {instrument.symbol for instrument in streams.record.source.instruments(market)}
    if symbol not in known and streams.record.listed_as(market, symbol) is None:
        raise invalid(
            "symbol", "unknown_symbol", f"{market.name} has no {symbol!r}; {nearest(symbol, tuple(known))}"
        )


def _truth(streams: Streams, market_name: str, symbol: str, start_ms: int, end_ms: int) -> TruthPage:
    market = find_market(market_name)
    _require_symbol(streams, market, symbol)
    if not 0 <= end_ms - start_ms <= _MOST_TRUE_MINUTES * MINUTE_MS:
        raise invalid("end", "window", f"end must be at or after start, by {_MOST_TRUE_MINUTES} minutes at most")
    view = streams.record.view(streams.clock.now_ms())
    faults = streams.record.book.over(market, start_ms, end_ms)
    return TruthPage(
        now_ms=view.now_ms,
        candles=[tuple(candle) for candle in candles_of(view.closed(market, symbol, start_ms, end_ms))],
        missing=view.missing_ms(market, symbol, start_ms, end_ms),
        faults=[BegunFault.of(fault) for fault in faults if fault.concerns(symbol)],
    )


def _state(simulator: Simulator, streams: Streams) -> SimulatorState:
    view, book = streams.record.view(streams.clock.now_ms()), streams.record.book
    return SimulatorState(
        clock=_clock_state(streams),
        markets={
            market.name: [instrument.symbol for instrument in view.instruments(market)]
            for market in simulated_markets()
        },
        requests=dict(simulator.requests),
        streams={each.market.name: _stream_state(each) for each in streams.markets.values()},
        faults=simulator.faults,
        fault_counts={
            name: FaultCount(number=kind.number, begun=book.begun[name], met=book.met[name])
            for name, kind in fault_kinds().items()
            if book.begun[name] or book.met[name]
        },
    )


def _clock_state(streams: Streams) -> ClockState:
    return ClockState(now_ms=streams.clock.now_ms(), speed=streams.clock.speed)


def _stream_state(streams: MarketStreams) -> StreamState:
    sessions = [each.session for each in streams.sockets if each.session]
    return StreamState(
        connections=len(sessions),
        topics=sum(len(session.topics) for session in sessions),
        sent=dict(streams.sent),
    )
