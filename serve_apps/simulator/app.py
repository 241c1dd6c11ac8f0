"""The exchange simulator: a server that answers and streams as the venues do, from candles of our choice.

One address serves all markets, because their paths do not overlap.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from candleray.simulator.candle_source import CandleSource
from candleray.simulator.generated_candles import GeneratedCandles
from candleray.simulator.market_clock import MarketClock
from candleray.simulator.sent_log import SentLog
from candleray.simulator.venues import simulated_markets
from serve_apps.simulator.requests import Faults, Simulator
from serve_apps.simulator.streams import MarketStreams, Streams


class ClockState(BaseModel):
    """The venues' clock."""

    now_ms: int
    speed: float = Field(description="seconds of the venues a second of ours; 0: it stands")


class ClockChange(BaseModel):
    """A change of the venues' clock; both at once: the speed first."""

    model_config = ConfigDict(extra="forbid")

    speed: float | None = Field(None, ge=0, le=100_000, allow_inf_nan=False)
    step_s: float | None = Field(
        None, ge=0, le=366 * 86_400, allow_inf_nan=False, description="seconds to go on by"
    )


class StreamState(BaseModel):
    """The websockets of one market."""

    connections: int
    topics: int = Field(description="subscriptions over all connections")
    sent: dict[str, int] = Field(description="frames of candles that were sent: closed, forming")


class SimulatorState(BaseModel):
    """Symbols that a simulator serves, its clock, and its requests and connections so far."""

    clock: ClockState
    markets: dict[str, list[str]] = Field(description="market name -> symbols")
    requests: dict[str, int] = Field(description="market name -> requests so far")
    streams: dict[str, StreamState] = Field(description="market name -> its websockets")
    faults: Faults


class SentPage(BaseModel):
    """Entries of the log of what was sent; `next` is the `since` of the following page."""

    entries: list[dict[str, Any]]
    next: int


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
    simulator = Simulator(source, faults or Faults(), with_limits=with_limits, clock=clock)
    log = SentLog(sent_file)
    streams = Streams(source, clock, log, connection_speed=connection_speed)

    @asynccontextmanager
    async def push_streams(app: FastAPI) -> AsyncIterator[None]:
        pushing = asyncio.create_task(streams.run())
        yield
        pushing.cancel()
        with suppress(asyncio.CancelledError):
            await pushing
        log.close()

    app = FastAPI(title="Candleray exchange simulator", openapi_url=None, lifespan=push_streams)
    app.state.streams = streams
    _add_own_routes(app, simulator, streams, log)

    # A plain route: FastAPI would spend a third of a page's time on parameters, of which there are none.
    async def venue(request: Request) -> Response:
        reply = await simulator.reply(request.url.path, dict(request.query_params))
        return Response(reply.body, reply.status, {"content-type": "application/json", **reply.headers})

    app.add_route("/{path:path}", venue, methods=["GET"])
    return app


def _add_own_routes(app: FastAPI, simulator: Simulator, streams: Streams, log: SentLog) -> None:
    """The simulator's own routes; asynchronous ones, because they share the loop's state."""

    @app.get("/simulator")
    async def state() -> SimulatorState:
        return _state(simulator, streams)

    @app.put("/simulator/faults")
    async def set_faults(faults: Faults) -> SimulatorState:
        simulator.faults = faults
        return _state(simulator, streams)

    @app.put("/simulator/clock")
    async def move_clock(change: ClockChange) -> ClockState:
        streams.move_clock(speed=change.speed, step_s=change.step_s)
        return _clock_state(streams)

    @app.get("/simulator/sent")
    async def sent(
        since: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(ge=1, le=50_000)] = 10_000
    ) -> SentPage:
        entries = log.since(since, limit)
        return SentPage(entries=entries, next=entries[-1]["number"] if entries else max(since, log.count))


def _state(simulator: Simulator, streams: Streams) -> SimulatorState:
    return SimulatorState(
        clock=_clock_state(streams),
        markets={
            market.name: [instrument.symbol for instrument in simulator.source.instruments(market)]
            for market in simulated_markets()
        },
        requests=dict(simulator.requests),
        streams={each.market.name: _stream_state(each) for each in streams.markets.values()},
        faults=simulator.faults,
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
