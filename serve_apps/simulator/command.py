"""`candleray simulator`: the simulator as a process of its own."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from candleray.errors import InstanceError, invalid
from candleray.settings import FAST_CLOCK_BEHIND_MS
from candleray.simulator.candle_source import CandleSource
from candleray.simulator.generated_candles import GeneratedCandles
from candleray.simulator.market_clock import MarketClock
from candleray.simulator.recorded_candles import RecordedCandles
from candleray.simulator.venues import simulated_markets, simulated_venues
from candleray.terminal.options import utc_ms
from serve_apps.simulator.app import build_simulator
from serve_apps.simulator.requests import Faults
from serve_apps.simulator.sockets import VenueSocket


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
    speed: Annotated[
        float, typer.Option(help="Seconds of the venues that pass in one of ours; 0: their clock stands.", min=0)
    ] = 1.0,
    start: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Venue time to start at, in UTC; now by default, thirty days ago where --speed is above 1.",
        ),
    ] = None,
    connection_speed: Annotated[
        float, typer.Option(help="The speed of pings, silence and frames a second.", min=0.01, max=1000)
    ] = 1.0,
    sent: Annotated[Path | None, typer.Option(help="File to write what is sent to, a line of JSON each.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the address and the symbols as JSON.")] = False,
) -> None:
    """Serve the REST interfaces and websockets of all exchanges from generated or recorded candles, until Ctrl-C.

    Example: candleray simulator --port 9900 --symbols BTCUSDT,ETHUSDT --speed 60
    """
    chosen = [symbol.strip() for symbol in symbols.split(",") if symbol.strip()]
    source: CandleSource = RecordedCandles(files, chosen) if files else GeneratedCandles(seed, chosen)
    app = build_simulator(
        source,
        Faults.parse(faults),
        with_limits=limits,
        clock=MarketClock(_start_ms(start, speed), speed),
        connection_speed=connection_speed,
        sent_file=sent,
    )
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
        uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=3, ws=VenueSocket)
    )
    # Uvicorn raises the signal that stopped it again; it may come as this exception.
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    typer.echo("stopped", err=as_json)


def _start_ms(start: str | None, speed: float) -> float:
    if start is not None:
        return utc_ms(start, "--start")
    return time.time() * 1000 - (FAST_CLOCK_BEHIND_MS if speed > 1 else 0)


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
