"""Websockets by cryptofeed: over a real wire, to the simulator, in both dialects."""

from __future__ import annotations

import asyncio
import json
import re

import pytest
from pydantic import ValidationError

from candleray.errors import ServiceUnavailable
from candleray.exchanges.discovery import exchange_of
from candleray.feeds.websockets import websocket
from candleray.feeds.websockets.websocket import connect
from candleray.markets import MARKETS, Market
from candleray.settings import LiveSettings
from candleray.simulator.generated_candles import GeneratedCandles
from candleray.simulator.market_clock import MarketClock
from candleray.timeframes import MINUTE_MS
from tests.support.no_websockets import NoWebsocket, no_websocket
from tests.support.simulated_wire import simulated_venue

START_MS = 1_750_600_035_000

needs_cryptofeed = pytest.mark.skipif(not websocket.is_available(), reason=websocket.MISSING)


@needs_cryptofeed
async def test_every_market_streams_its_closed_candles_over_a_real_wire() -> None:
    with simulated_venue(GeneratedCandles(symbols=["BTCUSDT"]), clock=MarketClock(START_MS, speed=0)) as venue:
        for market in MARKETS.values():
            api = exchange_of(market).stream(market)
            async with connect(venue.url.replace("http", "ws", 1) + api.path) as socket:
                await socket.send(api.subscribe([api.topic("BTCUSDT")], 1))
                frames = socket.frames()
                async with asyncio.timeout(60):
                    async for frame in frames:
                        if reply := api.read_reply(json.loads(frame)):
                            break
                    assert (reply.request_id, reply.is_ok) == ("1", True)
                    await asyncio.to_thread(venue.step, 60)
                    async for frame in frames:
                        kline = api.read_kline(json.loads(frame))
                        if kline is not None and kline.is_closed:
                            break
            assert kline is not None
            assert (kline.symbol, kline.ts_open_ms % MINUTE_MS) == ("BTCUSDT", 0)
            assert kline.quote_volume > 0


@needs_cryptofeed
async def test_connections_leave_no_class_behind() -> None:
    from cryptofeed.connection import WSAsyncConn

    for _ in range(5):
        with pytest.raises(ServiceUnavailable):
            async with connect("ws://127.0.0.1:1"):
                pass
    assert len(WSAsyncConn.__subclasses__()) == 1


@needs_cryptofeed
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("pages", "server rejected WebSocket connection: HTTP 200"),
        ("mail", "did not receive a valid HTTP response"),
        ("silence", "timed out during opening handshake"),
        ("nobody", "Connect call failed"),
    ],
)
async def test_an_address_without_a_websocket_is_told_with_what_it_said(
    kind: NoWebsocket, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "OPEN_S", 10.0 if kind != "silence" else 0.5)
    async with no_websocket(kind) as url:
        with pytest.raises(ServiceUnavailable, match=f"{url}/stream: .*{said}"):
            async with connect(f"{url}/stream"):
                pass


@pytest.mark.parametrize("url", ["http://host:9900", "host:9900", "wss://", "", "ws://host:99999", "ws://[::1"])
def test_a_setting_that_is_no_address_of_a_websocket_is_refused(url: str) -> None:
    told = re.escape(f"the address of binance-spot is {url!r}, which is none like ws://host:9900")
    with pytest.raises(ValidationError, match=told):
        LiveSettings(stream_urls={"binance-spot": url})


@pytest.mark.parametrize("market", MARKETS.values(), ids=lambda market: market.name)
def test_the_venues_own_addresses_are_those_of_websockets(market: Market) -> None:
    api = exchange_of(market).stream(market)
    assert api.url.startswith("wss://")
    assert LiveSettings(stream_urls={market.name: f"{api.url}/"}).stream_urls == {market.name: api.url}
    assert api.path.startswith("/market/" if market.name == "binance-futures" else "/")
