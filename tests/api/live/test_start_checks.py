"""Checks before a run starts: whatever it reads is traded, ingested and stored, or the answer says what to do."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from candleray.candles import CandleRows
from candleray.databases.postgres import Postgres
from candleray.feeds.feed_state import FeedState
from candleray.feeds.feed_store import FeedStore
from candleray.feeds.subscription_store import SubscriptionStore
from candleray.identity.models import User
from candleray.identity.user_store import Users
from candleray.live.starting.start_checks import StartChecks, venue_now_ms
from candleray.market_data.candle_store import CandleStore
from candleray.market_data.candle_store_client import CandleStoreClient
from candleray.markets import MARKETS, InstrumentReference
from candleray.settings import LiveSettings
from candleray.timeframes import MINUTE_MS, from_ms, iso
from tests.support.api.accounts import NEW_OPERATORS
from tests.support.api.in_process_api import backend, in_process, random_walk, serving

MARKET = MARKETS[3]
"""A market that no other test of this module's process subscribes to."""
WARMUP_BARS = 20
HOUR = 60


def now_ms() -> int:
    return time.time_ns() // 1_000_000 // MINUTE_MS * MINUTE_MS


@pytest.fixture
def symbol() -> str:
    return f"S{uuid4().hex[:8].upper()}USDT"


@pytest.fixture
async def operator(postgres: Postgres) -> User:
    return await Users(postgres).known(next(NEW_OPERATORS))


Described = Callable[..., None]


@pytest.fixture
def described(embedded_store: CandleStore, symbol: str) -> Described:
    """Describe the instrument and store minutes of it, from so many before now to so many before now."""

    def describe(first: int = 0, last: int = 0, without: range = range(0), name: str = "", **facts: Any) -> None:
        words = {"status": "Trading", **facts}
        known = InstrumentReference(market_id=MARKET.market_id, symbol=name or symbol, **words)
        embedded_store.put_instruments([known])
        kept = [minute for minute in range(first, last, -1) if minute not in without]
        if kept:
            walk = random_walk(len(kept))
            stamps = walk.ts_open_ms
            stamps[:] = [now_ms() - minute * MINUTE_MS for minute in kept]
            rows = CandleRows.of(stamps, walk.values)
            embedded_store.insert(MARKET.market_id, name or symbol, rows)

    return describe


@asynccontextmanager
async def serving_checked(
    store: CandleStore, postgres: Postgres, user: User, **live: Any
) -> AsyncIterator[httpx.AsyncClient]:
    async def given() -> Postgres:
        return postgres

    checks = StartChecks(CandleStoreClient(in_process(store)), given, LiveSettings(**live))
    async with serving(backend(store, postgres, live=live), user, starts=checks) as api:
        yield api


async def save(api: httpx.AsyncClient, symbol: str, window: int = WARMUP_BARS, **parts: Any) -> str:
    draft = {
        "instrument": {"market_id": MARKET.market_id, "symbol": symbol},
        "timeframe": "1h",
        "indicators": [{"id": "sma", "params": {"window": window}}],
        **parts,
    }
    draft = {name: part for name, part in draft.items() if part is not None}
    answer = await api.post("/strategies", json={"strategy": draft})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["strategy_id"])


async def started(api: httpx.AsyncClient, symbol: str, **parts: Any) -> httpx.Response:
    return await api.post("/runs", json={"strategy_id": await save(api, symbol, **parts)})


def problem(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 422, answer.text
    (found,) = answer.json()["error"]["problems"]
    return dict(found)


async def subscribe(postgres: Postgres, user: User, symbol: str) -> None:
    await SubscriptionStore(postgres, LiveSettings()).add(user.user_id, MARKET, [symbol])


async def subscribed(postgres: Postgres) -> set[str]:
    return {one.symbol for one in await SubscriptionStore(postgres, LiveSettings()).wanted([MARKET.market_id])}


async def test_an_operator_s_run_has_its_instrument_ingested_from_now_on(
    embedded_store, postgres, operator, described, symbol
):
    described(30 * HOUR)
    async with serving_checked(embedded_store, postgres, operator) as api:
        answer = await started(api, symbol)
        assert answer.status_code == 200, answer.text
        assert answer.json()["notes"] == [f"bybit-spot {symbol} is ingested from now on"]
        (event,) = (await api.get(f"/runs/{answer.json()['run_id']}")).json()["events"]
    assert event["cause"] == f"asked for by the user; bybit-spot {symbol} is ingested from now on"
    assert symbol in await subscribed(postgres)


async def test_who_is_no_operator_is_told_to_ask_one_and_starts_once_it_is_ingested(
    embedded_store, postgres, operator, user, described, symbol
):
    described(30 * HOUR)
    async with serving_checked(embedded_store, postgres, user) as api:
        refused = problem(await started(api, symbol))
        assert (refused["field"], refused["code"]) == ("strategy.instrument", "not_ingested")
        assert f"`candleray subscriptions ask {symbol} --market bybit-spot`" in refused["message"]
        assert symbol not in await subscribed(postgres)
        await subscribe(postgres, operator, symbol)
        answer = await started(api, symbol)
        assert (answer.status_code, answer.json()["notes"]) == (200, [])


async def test_by_the_setting_everybody_s_run_has_its_instrument_ingested(
    embedded_store, postgres, user, described, symbol
):
    described(30 * HOUR)
    async with serving_checked(embedded_store, postgres, user, runs_subscribe=True) as api:
        assert (await started(api, symbol)).status_code == 200
    assert symbol in await subscribed(postgres)


@pytest.mark.parametrize(
    ("facts", "code", "words"),
    [
        ({"status": "Closed", "is_tradable": False}, "not_tradable", "its status is Closed"),
        ({"delisted_at": datetime(2026, 1, 1, tzinfo=UTC)}, "not_tradable", "delisted"),
    ],
)
async def test_what_is_not_traded_is_refused(
    embedded_store, postgres, operator, described, symbol, facts, code, words
):
    described(30 * HOUR, **facts)
    async with serving_checked(embedded_store, postgres, operator) as api:
        refused = problem(await started(api, symbol))
    assert (refused["field"], refused["code"]) == ("strategy.instrument", code)
    assert words in refused["message"]


async def test_another_instrument_that_the_strategy_reads_is_looked_at_too(
    embedded_store, postgres, operator, described, symbol
):
    other = f"{symbol[:-4]}BTC"
    described(30 * HOUR)
    described(name=other)
    signals = {
        "indicators": None,
        "let": {"other": {"price": "close", "instrument": {"market_id": MARKET.market_id, "symbol": other}}},
        "signals": {"long_entry": {"above": ["other", {"id": "sma", "params": {"window": 20}}]}},
        "direction": "long-only",
    }
    async with serving_checked(embedded_store, postgres, operator) as api:
        refused = problem(await started(api, symbol, **signals))
    assert (refused["field"], refused["code"]) == ("strategy.signals", "no_candles")
    assert other in refused["message"]
    assert not {symbol, other} & await subscribed(postgres), "a start that is refused subscribes to nothing"


async def test_without_candles_it_is_refused_with_the_command_that_brings_them(
    embedded_store, postgres, operator, described, symbol
):
    described()
    async with serving_checked(embedded_store, postgres, operator) as api:
        refused = problem(await started(api, symbol))
    assert refused["code"] == "no_candles"
    assert f"`candleray backfill --market bybit-spot --symbol {symbol} --start " in refused["message"]


async def test_candles_that_end_before_the_feed_looks_back_are_refused(
    embedded_store, postgres, operator, described, symbol
):
    described(30 * HOUR, 5 * HOUR)
    async with serving_checked(embedded_store, postgres, operator) as api:
        refused = problem(await started(api, symbol))
    assert refused["code"] == "candles_end"
    assert f"--start {iso(now_ms() - (5 * HOUR + 1) * MINUTE_MS)[:13]}" in refused["message"]


async def test_the_last_two_hours_are_left_to_the_feed(embedded_store, postgres, operator, described, symbol):
    described(30 * HOUR, HOUR)
    async with serving_checked(embedded_store, postgres, operator) as api:
        assert (await started(api, symbol)).status_code == 200


async def test_a_few_missing_minutes_are_noted_and_many_are_refused(
    embedded_store, postgres, operator, described, symbol
):
    described(30 * HOUR, without=range(200, 204))
    async with serving_checked(embedded_store, postgres, operator) as api:
        answer = await started(api, symbol)
        assert answer.status_code == 200, answer.text
        assert f"warm-up: bybit-spot {symbol} lacks 4 of the " in answer.json()["notes"][1]
    hollow = f"{symbol[:-4]}USDC"
    described(30 * HOUR, without=range(200, 800), name=hollow)
    async with serving_checked(embedded_store, postgres, operator) as api:
        refused = problem(await started(api, hollow))
    assert (refused["code"], "candleray backfill" in refused["message"]) == ("gaps", True)


async def test_an_instrument_that_was_just_listed_is_warmed_up_from_its_first_minute(
    embedded_store, postgres, operator, described, symbol
):
    described(5 * HOUR, listed_at=from_ms(now_ms() - 5 * HOUR * MINUTE_MS))
    async with serving_checked(embedded_store, postgres, operator) as api:
        assert (await started(api, symbol)).status_code == 200


async def test_a_run_that_starts_again_is_looked_at_again(embedded_store, postgres, operator, described, symbol):
    described(30 * HOUR)
    async with serving_checked(embedded_store, postgres, operator) as api:
        run_id = (await started(api, symbol)).json()["run_id"]
        await api.post(f"/runs/{run_id}/stop")
        described(status="Closed", is_tradable=False)
        assert problem(await api.post(f"/runs/{run_id}/run"))["code"] == "not_tradable"
        described()
        again = await api.post(f"/runs/{run_id}/run")
        assert (again.status_code, again.json()["state"]) == (200, "starting")


async def test_a_user_has_so_many_active_runs_and_no_more(embedded_store, postgres, user):
    async with serving(backend(embedded_store, postgres, live={"max_runs_per_user": 2}), user) as api:
        runs = [await started(api, "BTCUSDT", window=window) for window in (10, 11, 12)]
        assert [one.status_code for one in runs] == [200, 200, 422]
        message = runs[2].json()["error"]["message"]
        assert message.startswith("active runs 2, the limit of one user is 2")
        first = runs[0].json()["run_id"]
        await api.post(f"/runs/{first}/stop")
        assert (await api.post(f"/runs/{first}/run")).status_code == 200, "itself it does not count"


async def test_the_warm_up_ends_with_the_bar_that_is_open_on_the_exchange(
    embedded_store, postgres, operator, described, symbol
):
    """The feed tells that ours is three hours ahead."""
    described(40 * HOUR, 3 * HOUR)
    await FeedStore(postgres).keep([FeedState(market=MARKET.name, mode="sockets", clock_ahead_ms=3 * 3_600_000)])
    try:
        async with serving_checked(embedded_store, postgres, operator) as api:
            answer = await started(api, symbol)
            assert answer.status_code == 200, answer.text
            first_live = datetime.fromisoformat(answer.json()["metadata"]["warmup_from"]) + timedelta(hours=20)
    finally:
        await FeedStore(postgres).keep([FeedState(market=MARKET.name, mode="idle")])
    exchange_now = datetime.now(UTC) - timedelta(hours=3)
    assert timedelta(0) <= exchange_now - first_live < timedelta(hours=1, minutes=5)


NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("facts", "speed", "expected"),
    [
        ({}, 1.0, NOON),
        ({}, 100.0, None),
        ({"clock_ahead_ms": 2000, "told_at": NOON, "told_ago_s": 3.0}, 1.0, NOON + timedelta(seconds=1)),
        ({"clock_ahead_ms": -60_000, "told_at": NOON, "told_ago_s": 3.0}, 100.0, NOON + timedelta(minutes=6)),
        (
            {"clock_ahead_ms": 0, "told_at": NOON, "told_ago_s": 1.0, "last_candle": NOON + timedelta(hours=1)},
            100.0,
            NOON + timedelta(hours=1, minutes=1),
        ),
    ],
)
def test_the_exchange_s_time_is_what_its_feed_told(facts, speed, expected):
    state = FeedState(market=MARKET.name, mode="sockets", **facts)
    now = venue_now_ms(state, round(NOON.timestamp() * 1000), speed)
    assert now == (expected and round(expected.timestamp() * 1000))
