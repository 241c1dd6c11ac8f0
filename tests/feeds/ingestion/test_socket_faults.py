"""Ingestion whose sockets are cut, silent, refused or none: every minute ends in the store."""

from __future__ import annotations

import pytest

from candleray.feeds.websockets import websocket
from candleray.markets import Instrument
from candleray.timeframes import MINUTE_MS, to_ms
from tests.support.feeds.played_venue import START_MS
from tests.support.feeds.venue_course import BTC, ETH, PERP, Course
from tests.support.no_websockets import NoWebsocket, no_websocket
from tests.support.waiting import let_work_until


@pytest.mark.parametrize("venue", ["binance", "bybit"])
async def test_both_markets_of_a_venue_come_by_sockets_and_the_past_two_hours_by_rest(venue: str) -> None:
    market_ids = (1, 2) if venue == "binance" else (3, 4)
    wanted = [Instrument(market_id=market_id, symbol="BTCUSDT") for market_id in market_ids]
    async with Course(venue, wanted).running() as course:
        await course.has_all(*wanted, minutes=6)
        both = {"rest", "websocket"}
        await let_work_until(lambda: all(course.sources(one) == both for one in wanted), what="sockets serve")
        assert [state.mode for state in course.ingestion.states()] == ["sockets", "sockets"]
    course.hold()


async def test_cuts_lost_frames_and_nonsense_cost_no_minute() -> None:
    async with Course("binance", [BTC, ETH]).running() as course:
        course.played.loses = lambda symbol, ts_ms: ts_ms // MINUTE_MS % 3 == 0
        for _ in range(4):
            await course.has_all(BTC, ETH, minutes=2)
            for frame in ("{", b"\xff\x00", "[" * 100_000, '{"e":"kline","s":"BTCUSDT","k":{"i":"1m"}}', "7"):
                course.played.say(frame)
            course.played.cut()
        await course.has_all(BTC, ETH)
        spot = course.ingestion.states()[0]
        assert spot.reconnects >= 3
        assert spot.filled > 0
        assert course.sources(BTC) == {"rest", "websocket"}
        assert {"not JSON", "differs from the documentation"} <= spot.refused.keys()
    course.hold()


async def test_a_socket_that_brings_nothing_is_rebuilt_and_then_rest_is_relied_on() -> None:
    async with Course("binance", [BTC], stale_s=120.0).running() as course:
        course.played.is_silent = True
        await let_work_until(lambda: course.ingestion.states()[0].mode == "polling" and course.played.opened > 2)
        await course.has_all(BTC)
        spot = course.ingestion.states()[0]
        assert spot.reason == "no closed candle for 120 s"
        assert spot.trouble_at is not None
        assert START_MS < to_ms(spot.trouble_at) <= course.played.now_ms()
        course.played.is_silent = False
        await let_work_until(lambda: course.ingestion.states()[0].mode == "sockets", what="trusted again")
    course.hold()


async def test_after_a_farewell_the_next_socket_is_open_before_the_old_one_ends() -> None:
    async with Course("binance", [BTC]).running() as course:
        await course.has_all(BTC)
        played = course.played
        played.say('{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}')
        await let_work_until(lambda: (played.opened, len(played.sockets)) == (2, 1), what="renewed")
        assert played.most_at_once == 2
        await course.has_all(BTC)
        assert course.ingestion.states()[0].ignored == {}
    course.hold()


@pytest.mark.parametrize("market_id", [3, 4])
async def test_a_symbol_that_the_venue_refuses_costs_the_others_nothing(market_id: int) -> None:
    wanted = [Instrument(market_id=market_id, symbol=symbol) for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT")]
    course = Course("bybit", wanted)
    course.played.refused_symbols = frozenset({"ETHUSDT"})
    async with course.running():
        await let_work_until(lambda: "ETHUSDT" in course.ingestion.markets[market_id].state().refused_symbols)
        await course.has_all(*wanted, minutes=6)
        assert course.sources(wanted[0]) == course.sources(wanted[2]) == {"rest", "websocket"}
        assert course.sources(wanted[1]) == {"rest"}
    course.hold()


@pytest.mark.skipif(not websocket.is_available(), reason=websocket.MISSING)
@pytest.mark.parametrize("kind", ["pages", "silence", "nobody"])
async def test_an_address_that_speaks_no_websocket_costs_no_minute_and_no_other_market(
    kind: NoWebsocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "OPEN_S", 10.0 if kind != "silence" else 0.5)
    async with no_websocket(kind) as url:
        course = Course("binance", [BTC, PERP], own_stream=("binance-spot", url))
        async with course.running():
            await let_work_until(lambda: url in course.ingestion.states()[0].reason)
            await course.has_all(BTC, PERP, minutes=6)
            assert (course.sources(BTC), course.sources(PERP)) == ({"rest"}, {"rest", "websocket"})
            spot, futures = course.ingestion.states()
            assert (spot.mode, futures.mode, futures.reason) == ("polling", "sockets", "")
            assert spot.reason.endswith("the address is that of the setting live.stream_urls.binance-spot")
    course.hold()
