"""Websockets by cryptofeed: over a real wire, to the simulator, in both dialects."""

from __future__ import annotations

import asyncio
import json

import pytest

from candleray.errors import InvalidInput, ServiceUnavailable
from candleray.exchanges.discovery import exchange_of
from candleray.feeds.websockets import websocket
from candleray.feeds.websockets.websocket import connect, require_socket_url
from candleray.markets import MARKETS, Market
from candleray.simulator.generated_candles import GeneratedCandles
from candleray.simulator.market_clock import MarketClock
from candleray.timeframes import MINUTE_MS
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
async def test_an_address_without_a_websocket_is_told_with_what_it_said() -> None:
    with simulated_venue(clock=MarketClock(START_MS, speed=0)) as venue:
        for url in (venue.url.replace("http", "ws", 1) + "/api/v3/time", "ws://127.0.0.1:1/stream"):
            with pytest.raises(ServiceUnavailable, match=url):
                async with connect(url):
                    pass


@pytest.mark.parametrize("url", ["http://host:9900", "host:9900", "wss://", ""])
def test_a_setting_that_is_no_address_of_a_websocket_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="which is no websocket address like ws://host:9900"):
        require_socket_url(url, "binance-spot")


@pytest.mark.parametrize("market", MARKETS.values(), ids=lambda market: market.name)
def test_the_venues_own_addresses_are_those_of_websockets(market: Market) -> None:
    api = exchange_of(market).stream(market)
    assert require_socket_url(api.url, market.name).startswith("wss://")
    assert api.path.startswith("/market/" if market.name == "binance-futures" else "/")
