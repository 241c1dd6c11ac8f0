"""Ingestion by REST alone, without it, and by clocks that differ or stand."""

from __future__ import annotations

import re
import time

import pytest

from candleray.errors import ExchangeError, RateLimited
from candleray.exchanges.rest import RestClient
from candleray.feeds import market_ingestion
from candleray.markets import Market
from candleray.timeframes import MINUTE_MS
from tests.support.feeds.played_venue import frame_of
from tests.support.feeds.venue_course import BTC, PERP, Course
from tests.support.waiting import let_work_until


async def test_without_sockets_rest_serves_shortly_after_each_close() -> None:
    async with Course("binance", [BTC], with_sockets=False).running() as course:
        await course.has_all(BTC, minutes=6)
        assert course.sources(BTC) == {"rest"}
        spot = course.ingestion.states()[0]
        assert (spot.mode, spot.subscribed) == ("polling", 1)
        assert "cryptofeed is not installed" in spot.reason
    course.hold()


async def test_while_a_fast_clock_stands_no_forming_minute_is_taken_for_a_closed_one() -> None:
    async with Course("binance", [BTC], with_sockets=False).running() as course:
        await course.has_all(BTC)
        for _ in range(4):
            await course.played.stand(for_s=0.6)
            await course.has_all(BTC)
    course.hold()


async def test_nothing_begins_by_our_own_clock_where_that_of_a_simulator_is_refused_at_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its time is years from ours: what began by ours would be followed from then on."""
    ask, refusals = market_ingestion.ask_time_ms, iter(range(3))

    async def ask_time_ms(rest: RestClient, market: Market) -> int:
        if next(refusals, None) is not None:
            raise ExchangeError(f"{market.name} is overloaded")
        return await ask(rest, market)

    monkeypatch.setattr(market_ingestion, "ask_time_ms", ask_time_ms)
    async with Course("binance", [BTC]).running() as course:
        await course.has_all(BTC)
        assert next(refusals, None) is None
        assert course.ingestion.markets[1].feed.minutes["BTCUSDT"].start_ms < course.played.now_ms()
    course.hold()


async def test_minutes_are_closed_by_the_exchanges_clock_and_one_that_is_far_from_ours_is_told() -> None:
    async with Course("binance", [BTC], max_clock_difference_s=120.0).running() as course:
        await course.has_all(BTC, minutes=4)
        future_ms = course.played.now_ms() // MINUTE_MS * MINUTE_MS + 20 * MINUTE_MS
        rows = course.played.candles(BTC.market, "BTCUSDT", future_ms, future_ms + MINUTE_MS)
        course.played.say(frame_of(BTC.market, "BTCUSDT", rows))
        await let_work_until(lambda: "not closed yet" in course.ingestion.states()[0].refused)
        assert (1, "BTCUSDT", future_ms) not in course.store.versions
        state = course.ingestion.states()[0]
        assert "more than live.max_clock_difference_s (120)" in state.reason
        assert state.refused["not closed yet"].example.endswith(" at binance-spot")
    course.hold()


async def test_sockets_of_a_market_whose_rest_interface_has_banned_us_bring_candles_from_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def ask_time_ms(rest: RestClient, market: Market) -> int:
        raise RateLimited(f"{market.name} asked to be left alone for 395 s more")

    monkeypatch.setattr(market_ingestion, "ask_time_ms", ask_time_ms)
    monkeypatch.setattr(market_ingestion, "wait_ms", lambda rest, market: 395_000)
    monkeypatch.setattr(market_ingestion, "_TIME_WITHIN_S", 0.05)
    course = Course("binance", [BTC, PERP], clock_speed=1.0, flush_s=0.05)
    course.played.is_silent = True
    async with course.running():
        await let_work_until(lambda: [state.mode for state in course.ingestion.states()] == ["sockets"] * 2)
        last_ms = (time.time_ns() // 1_000_000 // MINUTE_MS - 1) * MINUTE_MS
        rows = course.played.candles(BTC.market, "BTCUSDT", last_ms, last_ms + MINUTE_MS)
        course.played.say(frame_of(BTC.market, "BTCUSDT", rows))
        await let_work_until(lambda: (1, "BTCUSDT", last_ms) in course.store.versions)
        told = r"asked for its time at \S+: binance-spot asked to be left alone for 395 s more"
        assert re.fullmatch(told, course.ingestion.states()[0].rest_trouble)
