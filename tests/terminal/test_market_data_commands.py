"""Commands of market data: candles, revisions, instruments, subscriptions, backfills."""

from __future__ import annotations

import asyncio
import json
import re
import time
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from candleray.commands import backfill, feeds
from candleray.databases.postgres import Postgres
from candleray.feeds.feed_state import CatchUp, FeedHalt, FeedState
from candleray.feeds.feed_store import FeedStore
from candleray.markets import MARKETS, InstrumentReference
from candleray.timeframes import DAY_MS
from serve_apps.simulator import build_simulator
from tests.support.api.served import served
from tests.support.command_line import START_MS, SYMBOL, csv_of, minutes


def test_candles_shows_coverage_and_every_gap(run):
    result = run("candles", "--market", "binance-spot", "--symbol", SYMBOL)
    lines = result.stdout.splitlines()
    assert lines[0].split("  ")[0] == "market"
    assert lines[1].split() == [
        "binance-spot",
        SYMBOL,
        "2025-01-01T00:00Z",
        "2025-01-04T23:59Z",
        "5,749",
        "11",
        "2",
    ]
    assert [line.split()[-1] for line in lines[-2:]] == ["1", "10"]
    assert lines[-1].startswith("2025-01-02T09:20Z     2025-01-02T09:30Z")


def test_candles_of_an_unknown_symbol_offers_the_nearest(run):
    result = run("candles", "--market", "binance-spot", "--symbol", "cliusd")
    assert result.exit_code == 2
    assert f"did you mean '{SYMBOL}'?" in result.stderr


def test_indicators_are_listed_and_one_is_described(run):
    assert {"sma", "ema", "rsi", "atr", "bbands"} <= {
        line.split()[0] for line in run("indicators").stdout.splitlines()
    }
    described = run("indicators", "rsi").stdout
    assert "Relative Strength Index" in described
    assert any(line.startswith("signal  long_threshold") for line in described.splitlines())
    assert run("indicators", "rsy").exit_code == 2
    assert json.loads(run("indicators", "rsi", "--json").stdout)["id"] == "rsi"


def test_instruments_are_found_by_a_part_of_the_symbol(run):
    lines = run("instruments", "CLIU").stdout.splitlines()
    assert lines[1].split()[:2] == ["binance-spot", SYMBOL]
    assert json.loads(run("instruments", "CLIU", "--json").stdout)[0]["price_tick"] == 0.01
    assert run("instruments", "find", "CLIU").stdout.splitlines() == lines, "`find` may be left out"
    nowhere = run("instruments", "--market", "bybit-spot", "CLIU")
    assert (nowhere.stdout, nowhere.stderr) == ("", "no instrument has 'CLIU' in its symbol at bybit-spot\n")


def test_instruments_are_refreshed_market_by_market_and_their_changes_told(run, embedded_store):
    assert [line.split()[0] for line in run("instruments", "refresh").stdout.splitlines()[1:]] == [
        market.name for market in MARKETS.values()
    ]
    # Of a list without nearly all that are known nothing is taken, and the other markets are read all the same.
    embedded_store.put_instruments(
        [InstrumentReference(market_id=3, symbol=f"GONE{number}USDT", status="Trading") for number in range(30)]
    )
    refused = run("instruments", "refresh")
    assert (refused.exit_code, len(refused.stdout.splitlines())) == (1, 4)
    listed = re.search(r"bybit-spot lists (\d+) instruments and lacks 30 of the (\d+) known ones", refused.stderr)
    assert listed
    assert int(listed[2]) == int(listed[1]) + 30
    taken = run("instruments", "refresh", "--market", "bybit-spot", "--may-shrink").stdout.splitlines()[1]
    assert taken.split() == ["bybit-spot", listed[1], "30", "30", "delisted"]
    told = run("instruments", "changes", "--symbol", "gone7usdt").stdout.splitlines()
    assert [line.split()[1:] for line in told[1:]] == [
        ["bybit-spot", "GONE7USDT", "delisted", "Trading", "–"],
        ["bybit-spot", "GONE7USDT", "listed", "–", "Trading"],
    ]
    assert run("instruments", "changes", "--since", "2100-01-01", "--json").stdout.strip() == "[]"
    assert run("instruments", "changes", "--since", "2100-01-01").stderr.startswith("no such change is known")
    unknown = run("instruments", "changes", "--symbol", "GONE7USDX")
    assert "unknown symbol 'GONE7USDX' on any market; did you mean 'GONE" in unknown.stderr


def test_feeds_say_what_waits_and_why_and_how_old_their_words_are(run, postgres_url):
    halt = FeedHalt(seconds=12.0, until=datetime(2026, 1, 1, tzinfo=UTC), cause="the process was suspended")
    told = FeedState(market="bybit-spot", mode="sockets", waits={"minutes into the stream": "OOM"}, last_halt=halt)

    async def keep() -> None:
        postgres = await Postgres.open(postgres_url)
        await FeedStore(postgres).keep([told])
        async with postgres.connection() as connection:
            await connection.execute("UPDATE feed_states SET updated_at = now() - interval '1 hour'")
        await postgres.close()

    asyncio.run(keep())
    lines = run("feeds").stdout.splitlines()
    assert "bybit-spot: minutes into the stream wait: OOM" in lines
    assert any(line.startswith("bybit-spot: stood still for 12 s until 2026-01-01") for line in lines)
    assert any(line.startswith("bybit-spot: has told nothing of itself for 3,6") for line in lines)


def test_subscriptions_are_added_listed_asked_for_and_removed(run):
    run("instruments", "refresh", "--market", "binance-futures")
    market = ("--market", "binance-futures")
    assert run("subscriptions", "add", "btcusdt", "ETHUSDT", *market).stdout == "added: BTCUSDT, ETHUSDT\n"
    assert run("subscriptions", "add", "BTCUSDT", *market).stdout == "subscribed already: BTCUSDT\n"
    assert "the request is not valid: symbols.0: " in run("subscriptions", "add", "BTC-USDT", *market).stderr
    wrong = run("subscriptions", "add", "BTCUSD", *market)
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "binance-futures has no symbol 'BTCUSD'; did you mean 'BTCUSDT'?" in wrong.stderr
    wish = run("subscriptions", "ask", "SOLUSDT", *market).stdout.splitlines()[1].split()
    assert wish[1:4] == ["binance-futures", "SOLUSDT", "waiting"]
    waiting = json.loads(run("subscriptions", "requests", "--waiting", "--json").stdout)
    assert wish[0] in [one["request_id"] for one in waiting]
    refused = run("subscriptions", "refuse", wish[0][:8], "--reason", "too thin").stdout.splitlines()[1]
    assert refused.split()[3] == "refused"
    assert refused.endswith("too thin")
    assert run("subscriptions", "remove", "BTCUSDT", *market).stdout == "removed: BTCUSDT\n"
    listed = run("subscriptions", "list", *market).stdout.splitlines()
    assert [line.split()[:3] for line in listed[1:]] == [["binance-futures", "ETHUSDT", "operator"]]
    assert run("subscriptions", "remove", "BTCUSDT", *market).exit_code == 2


def test_backfill_fetches_what_is_missing_and_names_what_the_exchange_lacks(run, embedded_store):
    clock_s = (START_MS + 10 * DAY_MS) / 1000
    with served(build_simulator(clock=lambda: clock_s)) as url:
        where = ("--market", "bybit-spot", "--url", url, "--start", "2025-01-01", "--end", "2025-01-03")
        first = run("backfill", *where, "--symbol", "BTCUSDT", "--symbol", "NOPEUSDT")
        again = run("backfill", *where, "--symbol", "BTCUSDT")
    assert first.exit_code == 2
    assert "2,880 minutes were missing, 2,880 fetched, 2,880 written, 0 still missing" in first.stdout
    assert "NOPEUSDT" in first.stderr
    assert "did you mean" in first.stderr
    assert again.exit_code == 0
    assert "0 minutes were missing, 0 fetched" in again.stdout
    assert len(embedded_store.read(3, "BTCUSDT", START_MS, START_MS + 2 * DAY_MS)) == 2880
    assert embedded_store.instruments(3, "BTCUSDT")[0].status


def test_minutes_that_an_exchange_tells_too_early_are_refused_and_not_said_to_be_absent_there(run):
    with served(build_simulator(clock=lambda: time.time() + 3600)) as url:
        start, end = (f"{datetime.now(UTC) + timedelta(minutes=minute):%Y-%m-%dT%H:%M}" for minute in (10, 30))
        where = ("--market", "bybit-spot", "--symbol", "SOLUSDT", "--url", url)
        told = run("backfill", *where, "--start", start, "--end", end).stdout
    assert "refused 20: not closed yet" in told
    assert f"still missing: 20 minutes from {start}Z" in told
    assert "not at the exchange" not in told


def test_a_backfill_by_the_instance_needs_no_address_and_names_a_symbol_that_there_is_not(run, embedded_store):
    where = ("--market", "bybit-futures", "--start", "2025-01-01", "--end", "2025-01-03")
    result = run("backfill", *where, "--symbol", "ETHUSDT", "--symbol", "NOPEUSDT")
    assert result.exit_code == 2
    assert "2,880 minutes were missing, 2,880 fetched, 2,880 written, 0 still missing" in result.stdout
    assert "did you mean" in result.stderr
    assert len(embedded_store.read(4, "ETHUSDT", START_MS, START_MS + 2 * DAY_MS)) == 2880


@pytest.mark.parametrize(
    ("start", "end", "told"),
    [("yesterday", "2025-01-02", "not a time"), ("2025-01-02", "2025-01-01", "must be before")],
)
def test_backfill_refuses_a_range_that_is_none(run, start, end, told):
    result = run("backfill", "--market", "1", "--symbol", "BTCUSDT", "--start", start, "--end", end)
    assert result.exit_code == 2
    assert told in result.stderr


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("candles", "--as-of"),
        ("revisions", "--start"),
        ("instruments changes", "--since"),
        ("backfill", "--start"),
    ],
)
def test_a_time_that_no_year_of_ours_has_is_wrong_input(run, command, option):
    place = ("--market", "binance-spot", "--symbol", "BTCUSDT")
    for moment in ("9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00"):
        refused = run(*command.split(), *place, option, moment)
        assert refused.exit_code == 2
        assert f"{option}: a time in the years 1970 to 2199 is needed, got {moment}" in refused.stderr


def test_candles_are_shown_as_they_were_known_and_revisions_with_their_sources(run, tmp_path):
    symbol, place = "CLIREVUSDT", ("--market", "binance-spot", "--symbol", "CLIREVUSDT")
    for name, volume in (("first.csv", 2.0), ("second.csv", 3.0)):
        rows = minutes(4)
        rows[2, 5] = volume
        (tmp_path / name).write_bytes(csv_of(rows))
        assert run("import", tmp_path / name, *place).exit_code == 0
    told = json.loads(run("revisions", *place, "--json").stdout)
    assert [(one["version"], one["volume"], one["source"]) for one in told] == [(1, 2.0, "file"), (2, 3.0, "file")]
    table = run("revisions", *place).stdout.splitlines()
    assert [line.split()[0] for line in table[1:]] == ["2025-01-01T00:02Z"] * 2
    assert [line.split()[-1] for line in table[1:]] == ["days"] * 2, "after a close of long ago"
    for version in told:
        shown = run("candles", *place, "--as-of", version["seen_at"], "--limit", 2).stdout.splitlines()
        assert [line.split()[-1] for line in shown[1:]] == [str(int(version["volume"])), "2"]
    for arguments, words in (
        (("candles", "--as-of", "2026-01-01"), "say --market and --symbol too"),
        (("candles", *place, "--limit", 3), "--start and --limit belong to --as-of"),
        (("candles", *place, "--as-of", "2026-01-01"), "is before the first version of any candle"),
    ):
        refused = run(*arguments)
        assert refused.exit_code != 0
        assert words in str(refused.exception) + refused.stderr, (symbol, refused)


def test_feeds_tells_of_a_repair_with_the_time_that_is_left_and_of_what_is_not_followed(run, monkeypatch):
    course = CatchUp(minutes_left=1200, minutes_done=8400, instruments=3, eta_s=125.0)
    halted = {"LUNAUSDT": "not traded at present: its status is BREAK"}
    states = [
        FeedState(market="binance-spot", mode="sockets", catch_up=course, not_traded=halted),
        FeedState(market="binance-futures", mode="sockets", silent={"ETHUSDT": datetime(2026, 1, 1, tzinfo=UTC)}),
        FeedState(market="bybit-spot", mode="idle", budget_shared=False, holes=2, rest_trouble="it answered 503"),
    ]
    client = SimpleNamespace(feeds=lambda: states)
    monkeypatch.setattr(feeds, "connect", lambda api, data: nullcontext(client))
    told = run("feeds").stdout.splitlines()[-6:]
    assert told.pop(2) == (
        "binance-futures: ETHUSDT has no candle since 2026-01-01T00:00Z: neither stream nor REST tells one; "
        "whether it still trades is asked within minutes"
    )
    assert told[0] == "binance-spot: LUNAUSDT is not followed: not traded at present: its status is BREAK"
    assert told[1] == (
        "binance-spot: catches up: 8,400 minutes done, 1,200 of 3 instruments missing, about 2.1 min more"
    )
    assert told[2] == "bybit-spot: REST fails and is asked again: it answered 503"
    assert told[3] == "bybit-spot: 2 minutes of the last day are holes: the exchange does not have them"
    assert told[4].startswith("bybit-spot: the request budget is not shared, because Valkey does not answer")


@pytest.mark.parametrize(("url", "share"), [("http://127.0.0.1:9900", 0.9), ("https://api.binance.com/", 0.5)])
def test_a_backfill_from_an_address_of_its_own_spends_that_addresss_budget_alone(url, share):
    chosen = backfill._history_settings(MARKETS[1], url)
    assert (chosen.base_urls["binance-spot"], chosen.budget_share) == (url.rstrip("/"), share)


def test_feeds_says_when_a_socket_was_in_trouble(run, monkeypatch):
    trouble_at = datetime(2026, 10, 30, 18, 47, 12, tzinfo=UTC)
    state = FeedState(
        market="binance-spot", mode="sockets", reason="no closed candle for 75 s", trouble_at=trouble_at
    )
    monkeypatch.setattr(feeds, "connect", lambda api, data: nullcontext(SimpleNamespace(feeds=lambda: [state])))
    told = run("feeds").stdout.splitlines()[-1]
    assert told == "binance-spot: last trouble of a socket, 2026-10-30T18:47:12Z: no closed candle for 75 s"
