"""The exchange simulator: an HTTP server that answers as the venues do, from candles of our choice.

One address serves all markets, because their paths do not overlap. Requests count against the venue's rate limit,
and above it they are refused in the venue's words. Other failures come on demand (`Faults`).
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal, get_args

import typer
import uvicorn
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from candleray.errors import InstanceError, InvalidInput, Problem, invalid
from candleray.exchanges.exchange import Exchange, Failure
from candleray.markets import Market
from candleray.simulator.candle_source import CandleSource
from candleray.simulator.generated_candles import GeneratedCandles
from candleray.simulator.recorded_candles import RecordedCandles
from candleray.simulator.venues import Question, Reply, SimulatedVenue, simulated_markets, simulated_venues

FaultKind = Literal["rate_limited", "banned", "unavailable", "html", "truncated", "slow"]
Every = Annotated[int | None, Field(ge=2, description="one of that many requests")]


class Faults(BaseModel):
    """Failures on demand: each kind hits one of so many requests. Of two that are due, the first field wins."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate_limited: Every = None
    banned: Every = None
    unavailable: Every = None
    html: Every = None
    truncated: Every = None
    slow: Every = None
    retry_after_s: float = Field(1.0, ge=0, description="what a refusal asks the client to wait")
    slow_s: float = Field(2.0, ge=0, le=600, description="how long a slow answer takes")

    def due(self, request_number: int) -> FaultKind | None:
        kinds: tuple[FaultKind, ...] = get_args(FaultKind)
        return next((kind for kind in kinds if (n := getattr(self, kind)) and request_number % n == 0), None)

    @staticmethod
    def parse(text: str) -> Faults:
        """Parse `rate_limited=50,slow=100,retry_after_s=2`."""
        pairs = [part.partition("=")[::2] for part in text.split(",") if part.strip()]
        try:
            return Faults.model_validate({name.strip(): value.strip() for name, value in pairs})
        except ValidationError as exc:
            raise InvalidInput(
                f"--faults {text!r} is not a list of kind=number; kinds: {', '.join(Faults.model_fields)}",
                [Problem(".".join(map(str, error["loc"])), error["type"], error["msg"]) for error in exc.errors()],
            ) from exc


class SimulatorState(BaseModel):
    """Symbols that a simulator serves, and its requests so far."""

    markets: dict[str, list[str]] = Field(description="market name -> symbols")
    requests: dict[str, int] = Field(description="market name -> requests so far")
    faults: Faults


class _Meter:
    """Request weight spent at each venue's address, in windows of the venue's clock."""

    def __init__(self) -> None:
        self._spent: dict[str, tuple[int, int]] = {}

    def spend(self, exchange: Exchange, market: Market, weight: int, now_ms: int) -> tuple[int, float]:
        """Count a request; return the weight used in its window and the seconds to the window's end."""
        api = exchange.api(market)
        window_ms = round(api.budget.window_s * 1000)
        window = now_ms // window_ms
        counted, used = self._spent.get(api.base_url, (window, 0))
        used = weight + (used if counted == window else 0)
        self._spent[api.base_url] = window, used
        return used, ((window + 1) * window_ms - now_ms) / 1000


class Simulator:
    """Routes a request to its venue, and answers for it or injects a fault."""

    def __init__(
        self, source: CandleSource, faults: Faults, *, with_limits: bool, clock: Callable[[], float]
    ) -> None:
        self.source, self.faults = source, faults
        self.requests: Counter[str] = Counter()
        self._meter = _Meter() if with_limits else None
        self._clock = clock

    async def reply(self, path: str, params: dict[str, str]) -> Reply:
        question = Question(path, params, int(self._clock() * 1000))
        for venue in simulated_venues().values():
            market = venue.route(question)
            if market is not None:
                return await self._reply_of(venue, market, question)
        return Reply(404, b"no exchange has this path", {"content-type": "text/plain"})

    async def _reply_of(self, venue: SimulatedVenue, market: Market, question: Question) -> Reply:
        self.requests[market.name] += 1
        fault = self.faults.due(self.requests.total())
        if fault == "slow":
            await asyncio.sleep(self.faults.slow_s)
        if fault == "html":
            page = b"<html><head><title>502 Bad Gateway</title></head></html>"
            return Reply(200, page, {"content-type": "text/html"})
        if fault == "rate_limited" or fault == "banned" or fault == "unavailable":
            return venue.refuse(Failure(fault, "", self.faults.retry_after_s), question.now_ms)
        reply = self._within_budget(venue, market, question)
        if fault == "truncated":
            return Reply(reply.status, reply.body[: len(reply.body) // 2], reply.headers)
        return reply

    def _within_budget(self, venue: SimulatedVenue, market: Market, question: Question) -> Reply:
        reply = venue.answer(market, question, self.source)
        if self._meter is None:
            return reply
        used, left_s = self._meter.spend(venue.exchange, market, reply.weight, question.now_ms)
        if used > venue.exchange.api(market).budget.weight:
            return venue.refuse(Failure("rate_limited", "", left_s), question.now_ms)
        return Reply(reply.status, reply.body, {**reply.headers, **venue.write_used_weight(used)}, reply.weight)

    def state(self) -> SimulatorState:
        return SimulatorState(
            markets={
                market.name: [instrument.symbol for instrument in self.source.instruments(market)]
                for market in simulated_markets()
            },
            requests=dict(self.requests),
            faults=self.faults,
        )


def build_simulator(
    source: CandleSource | None = None,
    faults: Faults | None = None,
    *,
    with_limits: bool = True,
    clock: Callable[[], float] = time.time,
) -> FastAPI:
    """The application; `clock` is the venues' time in seconds since the epoch."""
    simulator = Simulator(source or GeneratedCandles(), faults or Faults(), with_limits=with_limits, clock=clock)
    app = FastAPI(title="Candleray exchange simulator", openapi_url=None)

    @app.get("/simulator")
    def state() -> SimulatorState:
        return simulator.state()

    @app.put("/simulator/faults")
    def set_faults(faults: Faults) -> SimulatorState:
        simulator.faults = faults
        return simulator.state()

    # A plain route: FastAPI would spend a third of a page's time on parameters, of which there are none.
    async def venue(request: Request) -> Response:
        reply = await simulator.reply(request.url.path, dict(request.query_params))
        return Response(reply.body, reply.status, {"content-type": "application/json", **reply.headers})

    app.add_route("/{path:path}", venue, methods=["GET"])
    return app


def simulator(
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = 9900,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    seed: Annotated[int, typer.Option(help="Another seed, another market.")] = 7,
    files: Annotated[
        Path | None, typer.Option(help="Folder of Parquet candles to serve in place of generated ones.")
    ] = None,
    symbols: Annotated[str, typer.Option(help="Symbols to serve, separated by commas; all by default.")] = "",
    faults: Annotated[
        str, typer.Option(help="Trouble on demand, like rate_limited=50,unavailable=70,slow=100.")
    ] = "",
    limits: Annotated[bool, typer.Option(help="Count request weights and refuse as the venues do.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the address and the symbols as JSON.")] = False,
) -> None:
    """Serve the REST interfaces of all exchanges from generated or recorded candles, until Ctrl-C.

    Example: candleray simulator --port 9900 --symbols BTCUSDT,ETHUSDT
    """
    chosen = [symbol.strip() for symbol in symbols.split(",") if symbol.strip()]
    source: CandleSource = RecordedCandles(files, chosen) if files else GeneratedCandles(seed, chosen)
    app = build_simulator(source, Faults.parse(faults), with_limits=limits)
    listener = _listen(host, port)
    if as_json:
        markets = {
            market.name: [one.symbol for one in source.instruments(market)] for market in simulated_markets()
        }
        typer.echo(json.dumps({"url": _address(listener), "markets": markets}))
    else:
        for line in _describe(source, listener):
            typer.echo(line)
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=3)
    )
    # Uvicorn raises the signal that stopped it again; it may come as this exception.
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    typer.echo("stopped", err=as_json)


def _listen(host: str, port: int) -> socket.socket:
    """A bound socket, so that a port in use is reported before anything starts."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as exc:
        raise invalid("host", "unknown_host", f"--host {host!r} is not an address of this machine") from exc
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(128)
    except OSError as exc:
        listener.close()
        raise InstanceError(
            f"cannot listen on {host} port {port} ({exc.strerror}); choose another --port"
        ) from exc
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _describe(source: CandleSource, listener: socket.socket) -> Iterator[str]:
    address = _address(listener)
    yield f"exchange simulator on {address}, Ctrl-C stops it"
    for market in simulated_markets():
        names = " ".join(instrument.symbol for instrument in source.instruments(market))
        yield f"  {market.name:16} {names or '(nothing)'}"
    urls = ", ".join(f'"{market.name}": "{address}"' for market in simulated_markets())
    yield "send Candleray here instead of to the exchanges:"
    yield f"  export CANDLERAY_HISTORY__BASE_URLS='{{{urls}}}'"
    yield "or look for yourself:"
    for market in simulated_markets():
        known = source.instruments(market)
        if known:
            start_ms, _ = source.span_ms(market, known[0].symbol)
            request = simulated_venues()[market.exchange].exchange.first_kline_request(
                market, known[0].symbol, start_ms
            )
            query = "&".join(f"{name}={value}" for name, value in request.params.items())
            yield f"  curl '{address}{request.path}?{query}'"
