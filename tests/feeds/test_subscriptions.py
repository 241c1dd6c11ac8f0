"""Subscriptions: operators name what is ingested, users ask for it, and nothing is taken that cannot be."""

from __future__ import annotations

import asyncio
import random
import string
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from candleray.candles import CandleRows
from candleray.databases.postgres import Postgres
from candleray.duties.instrument_refresh import refresh_instruments
from candleray.errors import InvalidInput
from candleray.exchanges.discovery import exchange_of
from candleray.feeds.subscription_store import SubscriptionStore
from candleray.live.run import RunAction
from candleray.live.stores.store import Runs
from candleray.market_data.candle_store import CandleStore
from candleray.market_data.candle_store_client import CandleStoreClient
from candleray.markets import MARKETS, Instrument, InstrumentReference, Market
from candleray.settings import LiveSettings, get_settings
from candleray.simulator.generated_candles import GeneratedCandles
from serve_apps.backfills import Backfills
from tests.support.api.accounts import log_in, log_in_operator
from tests.support.api.in_process_api import backend, in_process, serving_strangers
from tests.support.live.saved_runs import saved_run, spec_with
from tests.support.simulated import Clock, history_of
from tests.support.users import new_user_id

LIMITS = {"max_requests_per_user": 2}


class Halting:
    """The generated instruments, of which some are halted or taken off the list."""

    def __init__(self) -> None:
        self._source = GeneratedCandles()
        self.halted: set[str] = set()
        self.gone: set[str] = set()

    def instruments(self, market: Market) -> list[InstrumentReference]:
        return [
            one.model_copy(update={"is_tradable": one.is_tradable and one.symbol not in self.halted})
            for one in self._source.instruments(market)
            if one.symbol not in self.gone
        ]

    def span_ms(self, market: Market, symbol: str) -> tuple[int, int]:
        return self._source.span_ms(market, symbol)

    def candles(self, market: Market, symbol: str, start_ms: int, end_ms: int) -> CandleRows:
        return self._source.candles(market, symbol, start_ms, end_ms)


@pytest.fixture
async def forget(postgres: Postgres) -> None:
    async with postgres.connection() as connection:
        await connection.execute("TRUNCATE subscriptions, subscription_notices, subscription_requests")


@pytest.fixture
async def api(embedded_store: CandleStore, forget: None) -> AsyncIterator[httpx.AsyncClient]:
    async with serving_strangers(backend(embedded_store, live=LIMITS)) as client:
        await log_in_operator(client)
        for market_id in (1, 4):
            answer = await client.post("/market-data/instruments/refresh", params={"market_id": market_id})
            assert answer.status_code == 200, answer.text
        yield client


async def add(api: httpx.AsyncClient, *symbols: str, market_id: int = 1) -> httpx.Response:
    return await api.post("/market-data/subscriptions", json={"market_id": market_id, "symbols": symbols})


async def ask(api: httpx.AsyncClient, symbol: str) -> httpx.Response:
    return await api.post("/market-data/subscription-requests", json={"market_id": 1, "symbol": symbol})


async def subscribed(api: httpx.AsyncClient, **query: Any) -> list[str]:
    listed = (await api.get("/market-data/subscriptions", params=query)).json()
    return [f"{one['market_id']} {one['symbol']}" for one in listed]


async def wishes_of(api: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    page = (await api.get("/market-data/subscription-requests", params=query)).json()
    return list(page["requests"])


async def own_events(postgres: Postgres, api: httpx.AsyncClient) -> list[tuple[str, dict[str, Any]]]:
    author = UUID((await api.get("/me")).json()["user_id"])
    rows = await postgres.fetch("audit_events_from", 0, 100_000)
    return [
        (row["event"], row["details"]) for row in rows if row["user_id"] == author and "subscri" in row["event"]
    ]


async def test_what_an_operator_adds_is_wanted_until_it_is_removed_and_each_is_an_event(
    api: httpx.AsyncClient, postgres: Postgres
):
    assert (await add(api, "BTCUSDT", "ETHUSDT")).json() == {"added": ["BTCUSDT", "ETHUSDT"], "already": []}
    assert (await add(api, "BTCUSDT", market_id=4)).status_code == 200
    assert await subscribed(api) == ["1 BTCUSDT", "1 ETHUSDT", "4 BTCUSDT"]
    assert await subscribed(api, market_id=4) == ["4 BTCUSDT"]
    assert (await api.delete("/market-data/subscriptions/1/ETHUSDT?force=true")).status_code == 200
    assert await subscribed(api, market_id=1) == ["1 BTCUSDT"]
    gone = await api.delete("/market-data/subscriptions/1/BTCUSD")
    assert (gone.status_code, gone.json()["error"]["message"]) == (
        404,
        "binance-spot BTCUSD is not subscribed; did you mean 'BTCUSDT'?",
    )
    nothing = await api.delete("/market-data/subscriptions/2/BTCUSDT")
    told = nothing.json()["error"]["message"]
    assert told == "binance-futures BTCUSDT is not subscribed; nothing of that market is"
    assert await own_events(postgres, api) == [
        ("subscriptions_added", {"market": "binance-spot", "symbols": "BTCUSDT, ETHUSDT"}),
        ("subscriptions_added", {"market": "bybit-futures", "symbols": "BTCUSDT"}),
        ("subscription_removed", {"market": "binance-spot", "symbol": "ETHUSDT"}),
    ]


async def test_what_active_runs_trade_or_read_is_removed_by_force_alone(
    api: httpx.AsyncClient, postgres: Postgres
):
    name = "".join(random.choices(string.ascii_uppercase, k=12))
    traded, read = (Instrument(market_id=1, symbol=f"{name}{number}") for number in range(2))
    operand = {"id": "rsi", "instrument": {"market_id": 1, "symbol": read.symbol}}
    spec = spec_with(
        instrument=traded.model_dump(include={"market_id", "symbol"}),
        indicators=None,
        signals={"long_entry": {"above": [operand, 50]}, "long_exit": {"below": [operand, 1]}},
    )
    run = await saved_run(postgres, spec)
    store = SubscriptionStore(postgres, LiveSettings())
    await store.add(run.user_id, MARKETS[1], [traded.symbol, read.symbol])
    for one in (traded, read):
        answer = await api.delete(f"/market-data/subscriptions/1/{one.symbol}")
        assert answer.status_code == 409
        told = answer.json()["error"]["message"]
        assert told.startswith(f"binance-spot {one.symbol} is read by 1 active run of 1 user, which would wait")
    assert (await api.delete(f"/market-data/subscriptions/1/{read.symbol}?force=true")).status_code == 200
    for action in (RunAction.STOP, RunAction.HALT):
        await Runs(postgres).move(run.user_id, run.run_id, action, "the test")
    assert (await api.delete(f"/market-data/subscriptions/1/{traded.symbol}")).status_code == 200


async def test_what_is_listed_twice_is_said_and_there_once(api: httpx.AsyncClient, postgres: Postgres):
    assert (await add(api, "BTCUSDT", "BTCUSDT")).json() == {"added": ["BTCUSDT"], "already": ["BTCUSDT"]}
    assert (await add(api, "ETHUSDT", "BTCUSDT")).json() == {"added": ["ETHUSDT"], "already": ["BTCUSDT"]}
    assert (await add(api, "ETHUSDT")).json() == {"added": [], "already": ["ETHUSDT"]}
    assert await subscribed(api) == ["1 BTCUSDT", "1 ETHUSDT"]
    assert len(await own_events(postgres, api)) == 2, "where nothing is added there is no event"


@pytest.mark.parametrize(
    ("symbols", "field", "message"),
    [
        (["BTCUSD"], "symbols.0", "binance-spot has no symbol 'BTCUSD'; did you mean 'BTCUSDT'?"),
        (["BTCUSDT", "LUNAUSDT"], "symbols.1", "LUNAUSDT: not traded at present: its status is BREAK"),
        (["BTCUSDT", "ONLYUSDT"], "symbols.1", "has no symbol 'ONLYUSDT', but bybit-futures has"),
        (["BTC-USDT"], "symbols.0", "a symbol is 2 to 32 letters and digits"),
        ([], "symbols", "at least 1"),
    ],
)
async def test_what_the_market_does_not_trade_is_refused_in_words_and_nothing_is_added(
    api: httpx.AsyncClient, embedded_store: CandleStore, symbols: list[str], field: str, message: str
):
    embedded_store.put_instruments([InstrumentReference(market_id=4, symbol="ONLYUSDT", status="Trading")])
    answer = await add(api, *symbols)
    error = answer.json()["error"]
    assert answer.status_code == 422
    assert [problem["field"] for problem in error["problems"]] == [field]
    assert message in error["message"]
    assert await subscribed(api) == []


async def test_a_refresh_that_finds_changes_is_an_event_that_counts_them(
    embedded_store: CandleStore, postgres: Postgres, forget: None
):
    source = Halting()
    source.gone = {"XRPUSDT"}
    backfills = Backfills(lambda: history_of(source, clock=Clock()))
    async with serving_strangers(backend(embedded_store), backfills=backfills) as api:
        await log_in_operator(api)
        author = UUID((await api.get("/me")).json()["user_id"])
        refresh = partial(api.post, "/market-data/instruments/refresh", params={"market_id": 4})
        await refresh()
        source.gone = {"SOLUSDT"}
        answer = await refresh()
        source.gone = set()
        assert (await refresh()).json()["changes"] == {"listed": 1}
    await backfills.close()
    assert (answer.status_code, answer.json()["changes"]) == (200, {"delisted": 1, "listed": 1})
    rows = await postgres.fetch("audit_events_from", 0, 100_000)
    told = [row["details"] for row in rows if (row["user_id"], row["event"]) == (author, "instruments_refreshed")]
    assert [each["changes"] for each in told[-2:]] == ["1 delisted, 1 listed", "1 listed"]
    assert told[-2]["listed"] == answer.json()["listed"]


async def test_of_thousands_of_unknown_symbols_twenty_are_worded_and_the_rest_counted(api: httpx.AsyncClient):
    answer = await add(api, *(f"S{number}USD" for number in range(4000)))
    error = answer.json()["error"]
    assert (answer.status_code, len(error["problems"])) == (422, 20)
    assert error["message"].startswith("binance-spot has no symbol 'S0USD'; ")
    assert error["message"].endswith(" (and 3,999 more)")


async def test_what_is_asked_for_is_looked_up_alone_and_the_whole_market_only_to_word_a_refusal(
    api: httpx.AsyncClient, embedded_store: CandleStore, monkeypatch: pytest.MonkeyPatch
):
    sought, instruments = [], embedded_store.instruments
    monkeypatch.setattr(embedded_store, "instruments", lambda *query: sought.append(query) or instruments(*query))
    assert (await ask(api, "ETHUSDT")).status_code == 200
    assert sought == [(1, "ETHUSDT", 1, 0)]
    refused = await ask(api, "ETHUSD")
    assert refused.status_code == 422
    assert [problem["field"] for problem in refused.json()["error"]["problems"]] == ["symbol"]
    assert len(sought) > 2


async def test_a_market_whose_instruments_nobody_has_read_says_how_to_read_them(api: httpx.AsyncClient):
    message = (await add(api, "BTCUSDT", market_id=3)).json()["error"]["message"]
    assert message.endswith("candleray instruments refresh --market bybit-spot")


async def test_more_than_the_websockets_take_is_refused_with_the_bound(api: httpx.AsyncClient):
    await add(api, "BTCUSDT", "ETHUSDT")
    answer = await add(api, *(f"S{number}USDT" for number in range(5000)))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, "guard_exceeded")
    assert error["message"] == (
        "binance-spot has 2 subscriptions and 5,000 more are asked for: at most 4,096 may be "
        "(1,024 streams a connection x 4 connections: the setting live.connections_per_market)"
    )
    assert error["problems"][0]["field"] == "symbols"


async def test_a_user_asks_and_an_operator_answers(api: httpx.AsyncClient, postgres: Postgres):
    operator = api.headers["Authorization"]
    await log_in(api)
    user = api.headers["Authorization"]
    for refused in (await add(api, "BTCUSDT"), await api.delete("/market-data/subscriptions/1/BTCUSDT")):
        assert refused.status_code == 403
    wish = (await ask(api, "ETHUSDT")).json()
    assert (wish["state"], (await ask(api, "ETHUSDT")).json()) == ("waiting", wish), "the same wish is one"
    other = (await ask(api, "BTCUSDT")).json()
    too_many = (await ask(api, "SOLUSDT")).json()["error"]
    assert (too_many["code"], too_many["message"]) == (
        "guard_exceeded",
        "2 of your requests wait for an operator, at most 2 may: wait for an answer",
    )
    assert "did you mean 'XRPUSDT'" in (await ask(api, "XRPUSD")).json()["error"]["message"]
    path = f"/market-data/subscription-requests/{wish['request_id']}"
    assert (await api.post(f"{path}/accept")).status_code == 403

    api.headers["Authorization"] = operator
    assert await wishes_of(api, state="waiting") == [other, wish]
    assert (await api.post(f"{path}/accept")).json()["state"] == "accepted"
    again = (await api.post(f"{path}/accept")).json()["error"]
    assert (again["code"], again["message"]) == (
        "conflict",
        f"the request {wish['request_id']} is accepted already",
    )
    refusal = f"/market-data/subscription-requests/{other['request_id']}/refuse"
    assert (await api.post(refusal, json={"reason": "later"})).json()["reason"] == "later"
    unknown = await api.post(f"/market-data/subscription-requests/{uuid4()}/accept")
    assert unknown.status_code == 404
    assert await subscribed(api) == ["1 ETHUSDT"]
    assert [event for event, _ in await own_events(postgres, api)] == [
        "subscription_accepted",
        "subscription_refused",
    ]

    api.headers["Authorization"] = user
    assert [(one["symbol"], one["state"], one["reason"]) for one in await wishes_of(api)] == [
        ("BTCUSDT", "refused", "later"),
        ("ETHUSDT", "accepted", ""),
    ]
    assert (await ask(api, "ETHUSDT")).json()["error"]["message"] == "binance-spot ETHUSDT is subscribed already"
    await log_in(api)
    assert await wishes_of(api) == [], "wishes of others are theirs"


async def test_wishes_come_in_pages_the_newest_first_so_that_old_ones_hide_none(
    api: httpx.AsyncClient, postgres: Postgres, user_id: UUID
):
    symbols = [f"S{number}USDT" for number in range(5)]
    async with postgres.connection() as connection:
        await connection.execute(
            "INSERT INTO subscription_requests (market_id, symbol, user_id, state, asked_at) "
            "SELECT 1, unnest($1::text[]), $2, 'refused', now() - interval '1 day'",
            symbols,
            user_id,
        )
    asked = (await ask(api, "ETHUSDT")).json()
    symbols_of_pages, query = [], {"limit": 4}
    while True:
        page = (await api.get("/market-data/subscription-requests", params=query)).json()
        symbols_of_pages.append([one["symbol"] for one in page["requests"]])
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    first, second = symbols_of_pages
    assert (len(first), len(second), first[0]) == (4, 2, asked["symbol"])
    assert sorted(first + second) == sorted(["ETHUSDT", *symbols])


async def test_to_add_an_instrument_answers_everybody_who_waits_for_it(api: httpx.AsyncClient):
    operator = api.headers["Authorization"]
    for _ in range(2):
        await log_in(api)
        await ask(api, "SOLUSDT")
    api.headers["Authorization"] = operator
    await add(api, "SOLUSDT")
    assert [one["state"] for one in await wishes_of(api)] == ["accepted", "accepted"]


async def test_settings_and_operators_are_one_list_and_what_the_settings_name_is_taken_out_there(
    embedded_store: CandleStore, postgres: Postgres, user_id: UUID, forget: None
):
    limits = LiveSettings(subscriptions={"binance-spot": ("ETHUSDT",), "bybit-spot": ("BTCUSDT",)})
    store = SubscriptionStore(postgres, limits)
    report = await store.add(user_id, MARKETS[1], ["BTCUSDT", "ETHUSDT"])
    assert (report.added, report.already) == (("BTCUSDT",), ("ETHUSDT",))
    assert [(one.market_id, one.symbol, one.source) for one in await store.wanted()] == [
        (1, "BTCUSDT", "operator"),
        (1, "ETHUSDT", "settings"),
        (3, "BTCUSDT", "settings"),
    ]
    assert [one.key for one in await store.wanted([3])] == ["bybit:spot:BTCUSDT"]
    async with serving_strangers(backend(embedded_store, live=limits.model_dump())) as api:
        await log_in_operator(api)
        answer = await api.delete("/market-data/subscriptions/1/ETHUSDT")
    assert answer.status_code == 409
    assert answer.json()["error"]["message"] == (
        "binance-spot ETHUSDT stands in the setting live.subscriptions: take it out there, in "
        "CANDLERAY_LIVE__SUBSCRIPTIONS or the settings' file, and start the instance again; where neither names "
        "any and the exchanges are simulated, simulator.symbols does"
    )


async def test_what_is_halted_delisted_or_unknown_stays_and_says_so(
    embedded_store: CandleStore, postgres: Postgres, user_id: UUID, forget: None
):
    source, candles = Halting(), CandleStoreClient(in_process(embedded_store))
    store = SubscriptionStore(postgres, LiveSettings(subscriptions={"binance-futures": ("ETHUSD",)}))
    market = MARKETS[2]
    await store.add(user_id, market, ["BTCUSDT", "SOLUSDT", "XRPUSDT"])

    async def notices() -> dict[str, str | None]:
        async with history_of(source, clock=Clock()) as history:
            await refresh_instruments(history, candles, store, market)
        return {one.symbol: one.notice for one in await store.wanted([2])}

    unknown = {"ETHUSD": "binance-futures has no such symbol"}
    assert await notices() == {"BTCUSDT": None, "SOLUSDT": None, "XRPUSDT": None, **unknown}
    source.halted, source.gone = {"SOLUSDT"}, {"XRPUSDT"}
    told = await notices()
    assert told.pop("XRPUSDT").startswith("delisted: binance has listed it no more since 20")
    assert told == {"BTCUSDT": None, "SOLUSDT": "not traded at present: its status is SETTLING", **unknown}
    source.halted, source.gone = set(), set()
    assert await notices() == {"BTCUSDT": None, "SOLUSDT": None, "XRPUSDT": None, **unknown}


def test_a_setting_of_no_market_no_symbol_or_no_address_is_refused_at_its_place(
    monkeypatch: pytest.MonkeyPatch,
):
    for setting, value, told in (
        ("live.subscriptions", '{"binance-spt": ["BTCUSDT"]}', "did you mean"),
        ("live.subscriptions", '{"bybit-spot": ["BTC/USDT"]}', "letters"),
        ("live.stream_urls", '{"binance-spt": "ws://host:9900"}', "did you mean 'binance-spot'"),
        ("live.stream_urls", '{"bybit-spot": "http://host:9900"}', "which is none like ws://host:9900"),
        ("history.base_urls", '{"binance-spt": "http://host:9900"}', "did you mean 'binance-spot'"),
        ("history.base_urls", '{"bybit-spot": "ftp://host"}', "'ftp://host', which is none like http://host:9900"),
    ):
        variable = "CANDLERAY_" + setting.replace(".", "__").upper()
        monkeypatch.setenv(variable, value)
        get_settings.cache_clear()
        try:
            with pytest.raises(InvalidInput) as caught:
                get_settings()
        finally:
            get_settings.cache_clear()
        monkeypatch.delenv(variable)
        assert setting in str(caught.value)
        assert told in str(caught.value)


async def test_ten_who_add_at_once_keep_within_the_bound(
    postgres: Postgres, user_id: UUID, forget: None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(
        exchange_of(MARKETS[1]).streams, "spot", replace(exchange_of(MARKETS[1]).streams["spot"], max_topics=3)
    )
    store = SubscriptionStore(postgres, LiveSettings(connections_per_market=2))
    tries = [store.add(user_id, MARKETS[1], [f"S{number}USDT"]) for number in range(10)]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(not isinstance(answer, Exception) for answer in answers) == 6
    assert len(await store.wanted([1])) == 6


async def test_of_two_wishes_for_one_instrument_that_are_accepted_at_once_the_second_is_decided(
    postgres: Postgres, user_id: UUID, forget: None
):
    store = SubscriptionStore(postgres, LiveSettings())
    others = [await new_user_id(postgres) for _ in range(2)]
    for number in range(10):
        instrument = Instrument(market_id=1, symbol=f"S{number}USDT")
        wishes = [await store.ask(asker, instrument) for asker in others]
        accepts = [store.accept(user_id, wish.request_id) for wish in wishes]
        answers = await asyncio.gather(*accepts, return_exceptions=True)
        assert sorted(type(answer).__name__ for answer in answers) == ["Conflict", "SubscriptionRequest"]
