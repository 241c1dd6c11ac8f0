"""Instruments that ingestion follows: what is wanted, traded, known and carried changes while it runs."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from candleray.exchanges.discovery import exchange_of
from candleray.feeds.subscriptions import Subscription
from candleray.markets import Instrument
from tests.support.feeds.venue_course import BTC, ETH, PERP, Course
from tests.support.waiting import let_work_until


async def test_idle_ingestion_asks_nobody_anything() -> None:
    async with Course("binance", []).running() as course:
        await asyncio.sleep(0.5)
        assert course.ingestion.is_idle
        assert course.played.opened == 0
        assert [state.mode for state in course.ingestion.states()] == ["idle", "idle"]


async def test_subscriptions_change_while_it_runs_and_touch_no_other_socket() -> None:
    async with Course("binance", [BTC]).running() as course:
        await course.has_all(BTC)
        course.wanted = [BTC, ETH, PERP]
        await course.has_all(BTC, ETH, PERP, minutes=12)
        course.wanted = [ETH]
        await let_work_until(lambda: [state.subscribed for state in course.ingestion.states()] == [1, 0])
        await course.has_all(ETH)
        assert course.played.opened == 2
        assert course.ingestion.states()[0].reconnects == 0
    course.hold()


async def test_symbols_named_twice_or_unknown_to_the_exchange_cost_the_others_nothing_and_are_told() -> None:
    unknown = Instrument(market_id=1, symbol="NOSUCHUSDT")
    async with Course("binance", [BTC, unknown, BTC]).running() as course:
        await let_work_until(lambda: "NOSUCHUSDT" in course.ingestion.states()[0].refused_symbols)
        await course.has_all(BTC, minutes=6)
        spot = course.ingestion.states()[0]
        assert (spot.subscribed, set(spot.refused_symbols)) == (2, {"NOSUCHUSDT"})
        assert "-1121" in spot.refused_symbols["NOSUCHUSDT"]
        course.wanted = [BTC]
        await let_work_until(lambda: course.ingestion.states()[0].refused_symbols == {})
    course.hold()


async def test_more_symbols_than_websockets_take_come_by_rest_and_the_bound_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exchange = exchange_of(BTC.market)
    monkeypatch.setitem(exchange.streams, "spot", replace(exchange.streams["spot"], max_topics=1))
    sol = Instrument(market_id=1, symbol="SOLUSDT")
    async with Course("binance", [BTC, ETH, sol], connections_per_market=2).running() as course:
        await course.has_all(BTC, ETH, sol, minutes=6)
        assert (course.sources(ETH), course.sources(sol)) == ({"rest", "websocket"}, {"rest"})
        assert course.ingestion.states()[0].reason == (
            "3 symbols are followed and websockets carry 2 of them (at most 1 a connection x 2 connections: "
            "the setting live.connections_per_market): the others come by REST after each close"
        )
        course.wanted = [ETH, sol]
        await let_work_until(lambda: "websocket" in course.sources(sol), what="there is room now")
        assert course.ingestion.states()[0].reason == ""
    course.hold()


async def test_an_instrument_that_its_exchange_does_not_trade_is_not_asked_for_and_the_feed_says_why() -> None:
    halted = Subscription(market_id=1, symbol="ETHUSDT", source="operator", notice="not traded at present: BREAK")
    course = Course("binance", [BTC, ETH])
    async with course.running():
        await course.has_all(BTC, ETH)
        course.wanted = [BTC, halted]
        await let_work_until(lambda: course.ingestion.states()[0].subscribed == 1)
        assert course.ingestion.states()[0].not_traded == {"ETHUSDT": "not traded at present: BREAK"}
        course.wanted = [BTC, ETH]
        await course.has_all(BTC, ETH)
        assert course.ingestion.states()[0].not_traded == {}
    course.hold()
