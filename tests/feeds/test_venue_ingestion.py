"""Ingestion of a venue at 300 times its speed: whatever fails, every minute ends in the store."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from candleray.databases.postgres import Postgres
from candleray.databases.valkey import Valkey
from candleray.errors import RateLimited, ServiceUnavailable
from candleray.exchanges.discovery import exchange_of
from candleray.exchanges.rest import RestClient
from candleray.feeds import market_ingestion
from candleray.feeds.candle_stream import stream_of
from candleray.feeds.feed_state import FeedState
from candleray.feeds.hole_store import HoleStore
from candleray.feeds.subscriptions import Subscription
from candleray.feeds.venue_ingestion import Services, VenueIngestion
from candleray.feeds.websockets import websocket
from candleray.feeds.websockets.websocket import Connection
from candleray.markets import Instrument, Market
from candleray.timeframes import MINUTE_MS, to_ms
from tests.support import embedded
from tests.support.feeds.memory_store import MemoryStore
from tests.support.feeds.played_venue import START_MS, PlayedVenue, WithHole, fast_settings, frame_of
from tests.support.no_websockets import NoWebsocket, no_websocket
from tests.support.waiting import let_work_until

BTC, ETH, PERP = (
    Instrument(market_id=market_id, symbol=symbol)
    for market_id, symbol in ((1, "BTCUSDT"), (1, "ETHUSDT"), (2, "BTCUSDT"))
)


class Course:
    """A venue's ingestion with services that tests take away."""

    def __init__(
        self,
        venue: str,
        wanted: Sequence[Instrument],
        with_sockets: bool = True,
        own_stream: tuple[str, str] | None = None,
        **changes: Any,
    ) -> None:
        """
        Args:
            own_stream: a market and the address that the settings give its stream; it is opened over the wire.
        """
        self.played = PlayedVenue()
        self.store = MemoryStore()
        self.wanted = list(wanted)
        self.valkey: Valkey | None = None
        self.holes: HoleStore | None = None
        self.postgres_hangs = False
        self.states: list[FeedState] = []
        self.venue, self.with_sockets, self.changes = venue, with_sockets, changes
        if own_stream is not None:
            self.changes["stream_urls"] = dict([own_stream])
        self.ingestion = self.process()

    def process(self) -> VenueIngestion:
        """A new process: it knows nothing but what the services know."""
        services = Services(self.store, self._wanted, self._holes, self._valkey, self._keep_states)
        connect = self._connect if self.with_sockets else None
        return VenueIngestion(self.venue, fast_settings(**self.changes), self.played.rest(), services, connect)

    def _connect(self, url: str) -> AbstractAsyncContextManager[Connection]:
        return websocket.connect(url) if "127.0.0.1" in url else self.played.connect(url)

    async def _wanted(self) -> list[Instrument]:
        return self.wanted

    async def _holes(self) -> HoleStore:
        if self.postgres_hangs:
            await asyncio.Event().wait()
        if self.holes is None:
            raise ServiceUnavailable("Postgres does not answer")
        return self.holes

    async def _valkey(self) -> Valkey:
        if self.valkey is None:
            raise ServiceUnavailable("Valkey does not answer")
        return self.valkey

    async def _keep_states(self, states: Sequence[FeedState]) -> None:
        self.states = list(states)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Course]:
        task = asyncio.create_task(self.ingestion.run())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def has_all(self, *instruments: Instrument, minutes: int = 3) -> None:
        """Wait until the store has every minute up to some minutes from now."""
        until_ms = self.played.now_ms() // MINUTE_MS * MINUTE_MS + minutes * MINUTE_MS
        for one in instruments:
            await let_work_until(
                lambda one=one: self._is_whole(one, until_ms), what=f"{one.key} whole", within_s=60
            )

    def _is_whole(self, one: Instrument, until_ms: int) -> bool:
        stamps = self.store.stamps(one.market_id, one.symbol, 0, until_ms)
        return (
            len(stamps) >= 120
            and stamps[-1] == until_ms - MINUTE_MS
            and (stamps[1:] - stamps[:-1] == MINUTE_MS).all()
        )

    def hold(self) -> None:
        """Every stored value is the venue's, once."""
        for (market_id, symbol, ts_ms), versions in self.store.versions.items():
            market = Instrument(market_id=market_id, symbol=symbol).market
            rows = self.played.candles(market, symbol, ts_ms, ts_ms + MINUTE_MS)
            assert [values for _, values in versions] == [tuple(rows.values[:, 0].tolist())]

    def sources(self, one: Instrument) -> set[str]:
        return {
            version[0]
            for (market_id, symbol, _), versions in self.store.versions.items()
            for version in versions
            if (market_id, symbol) == (one.market_id, one.symbol)
        }


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


async def test_a_market_whose_exchange_does_not_tell_its_time_says_why_nothing_is_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def ask_time_ms(rest: RestClient, market: Market) -> int:
        raise RateLimited(f"{market.name} asked to be left alone for 395 s more")

    monkeypatch.setattr(market_ingestion, "ask_time_ms", ask_time_ms)
    async with Course("binance", [BTC]).running() as course:
        await let_work_until(lambda: course.ingestion.states()[0].reason != "")
        spot, futures = course.ingestion.states()
        assert (spot.mode, spot.subscribed, futures.reason) == ("idle", 0, "")
        told = (
            r"nothing is followed before the exchange has told its time; asked at \S+: binance-spot asked to be "
        )
        assert re.fullmatch(told + "left alone for 395 s more", spot.reason)


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


async def test_a_postgres_that_hangs_holds_up_no_instrument() -> None:
    course = Course("binance", [BTC, ETH, PERP])
    course.postgres_hangs = True
    async with course.running():
        await course.has_all(BTC, ETH, PERP)
    course.hold()


async def test_while_the_store_is_away_rows_wait_and_then_all_are_there() -> None:
    async with Course("binance", [BTC, ETH]).running() as course:
        await course.has_all(BTC, ETH)
        course.store.is_away = True
        await let_work_until(lambda: len(course.ingestion.buffer) > 8)
        course.store.is_away = False
        await course.has_all(BTC, ETH)
        assert len(course.ingestion.buffer) < 8
    course.hold()


async def test_idle_ingestion_asks_nobody_anything() -> None:
    async with Course("binance", []).running() as course:
        await asyncio.sleep(0.5)
        assert course.ingestion.is_idle
        assert course.played.opened == 0
        assert [state.mode for state in course.ingestion.states()] == ["idle", "idle"]


@pytest.fixture
async def valkey() -> AsyncIterator[Valkey]:
    store = await Valkey.open(embedded.valkey_url())
    await store.client.flushall()
    yield store
    await store.client.config_set("maxmemory", 0)
    await store.client.flushall()
    await store.close()


@pytest.fixture
async def holes() -> AsyncIterator[HoleStore]:
    postgres = await Postgres.open(embedded.postgres_url(), max_connections=2)
    async with postgres.connection() as connection:
        await connection.execute("TRUNCATE candle_holes, feed_states")
    yield HoleStore(postgres)
    await postgres.close()


async def stream_stamps(valkey: Valkey, one: Instrument) -> list[int]:
    entries: Any = await valkey.client.xrange(stream_of(one))
    return [int(entry_id.partition(b"-")[0]) for entry_id, _ in entries]


async def stream_has_all(course: Course, valkey: Valkey, one: Instrument) -> None:
    """Wait until the stream goes past now; then it must have the newest two hours of the store without a hole."""
    until_ms = course.played.now_ms() + 2 * MINUTE_MS
    for _ in range(600):
        stamps = await stream_stamps(valkey, one)
        if stamps and stamps[-1] > until_ms:
            break
        await asyncio.sleep(0.05)
    stored = course.store.stamps(one.market_id, one.symbol, 0, stamps[-1] + 1).tolist()
    assert stamps == stored[-len(stamps) :]
    assert len(stamps) >= 120


async def test_the_stream_has_every_minute_as_its_id_and_never_before_the_store(valkey: Valkey) -> None:
    course = Course("binance", [BTC])
    append, early = valkey.append, []

    async def watched(entries: Any, keep_from: str, **options: Any) -> bool:
        for entry in entries:
            ts_ms = int(entry.entry_id.partition("-")[0])
            early.extend([ts_ms] if not course.store.versions.get((1, "BTCUSDT", ts_ms)) else [])
        return await append(entries, keep_from, **options)

    valkey.append = watched  # type: ignore[method-assign]
    course.valkey = valkey
    async with course.running():
        await course.has_all(BTC)
        await stream_has_all(course, valkey, BTC)
    assert early == []
    ((_, fields),) = await valkey.client.xrange(stream_of(BTC), count=1)
    names = [b"open", b"high", b"low", b"close", b"volume", b"quote_volume", b"trades", b"ingested_at"]
    assert list(fields) == names
    course.hold()


async def test_ingestion_goes_on_without_valkey_and_with_a_full_one_and_completes_the_stream(
    valkey: Valkey,
) -> None:
    course = Course("binance", [BTC])
    async with course.running():
        await course.has_all(BTC)
        assert await stream_stamps(valkey, BTC) == []
        course.valkey = valkey
        await stream_has_all(course, valkey, BTC)
        await valkey.client.config_set("maxmemory", 1)
        await course.has_all(BTC, minutes=5)
        await let_work_until(lambda: len(course.ingestion.outbox) > 2, what="minutes wait for the stream")
        await valkey.client.config_set("maxmemory", 0)
        await stream_has_all(course, valkey, BTC)
        await valkey.client.flushall()
        await stream_has_all(course, valkey, BTC)
    course.hold()


async def test_a_new_process_completes_the_store_and_then_the_stream(valkey: Valkey) -> None:
    first = Course("binance", [BTC])
    async with first.running():
        await first.has_all(BTC)
    await asyncio.sleep(0.5)  # two minutes and a half go by without a process
    first.ingestion, first.valkey = first.process(), valkey
    async with first.running():
        await first.has_all(BTC)
        await stream_has_all(first, valkey, BTC)
    first.hold()


async def test_a_minute_that_was_revised_before_the_stream_is_completed_enters_it_with_its_first_values(
    valkey: Valkey,
) -> None:
    course = Course("binance", [BTC])
    async with course.running():
        await course.has_all(BTC)
        revised_ms = course.played.now_ms() // MINUTE_MS * MINUTE_MS - 30 * MINUTE_MS
        ((_, first),) = course.store.versions[1, "BTCUSDT", revised_ms]
        course.store.versions[1, "BTCUSDT", revised_ms].append(("repair", tuple(2 * value for value in first)))
        course.valkey = valkey
        await stream_has_all(course, valkey, BTC)
    ((_, fields),) = await valkey.client.xrange(stream_of(BTC), f"{revised_ms}-0", f"{revised_ms}-0")
    assert float(fields[b"close"]) == first[3]


async def test_a_minute_that_the_exchange_does_not_have_is_a_row_and_one_that_comes_later_fills_it(
    holes: HoleStore,
) -> None:
    course = Course("binance", [BTC])
    hole_ms = course.played.now_ms() // MINUTE_MS * MINUTE_MS + 3 * MINUTE_MS
    course.played.source = source = WithHole(hole_ms)
    course.ingestion = course.process()
    async with course.running():
        await let_work_until(
            lambda: len(course.ingestion.markets[1].verdicts) == 1, what="a verdict without Postgres"
        )
        assert course.store.versions.get((1, "BTCUSDT", hole_ms)) is None
        course.holes = holes
        for _ in range(1200):
            if await holes.open_holes(BTC, hole_ms - MINUTE_MS, hole_ms + MINUTE_MS) == [hole_ms]:
                break
            await asyncio.sleep(0.05)
        await let_work_until(
            lambda: not course.ingestion.states()[0].incomplete, what="the hole counts as settled"
        )
        source.is_open = True
        await let_work_until(lambda: (1, "BTCUSDT", hole_ms) in course.store.versions, what="asked again")
        for _ in range(1200):
            if not await holes.open_holes(BTC, hole_ms - MINUTE_MS, hole_ms + MINUTE_MS):
                break
            await asyncio.sleep(0.05)
        assert await holes.open_holes(BTC, hole_ms - MINUTE_MS, hole_ms + MINUTE_MS) == []
    course.hold()


def quick_scans(**changes: float) -> dict[str, float]:
    known = {"scan_every_s": 150.0, "long_scan_every_s": 300.0, "full_scan_every_s": 600.0}
    return known | {"scan_window_s": 3600.0, "long_scan_window_s": 10_800.0} | changes


async def test_minutes_that_the_store_loses_are_found_by_the_scans_and_come_again() -> None:
    async with Course("binance", [BTC, ETH, PERP], **quick_scans(look_back_s=50_000.0)).running() as course:
        for one in (BTC, ETH, PERP):
            await let_work_until(
                lambda one=one: len(course.store.stamps(one.market_id, one.symbol, 0, 2**60)) > 800
            )
        await course.has_all(BTC, ETH, PERP)
        now_ms = course.played.now_ms() // MINUTE_MS * MINUTE_MS
        lost = [(1, "BTCUSDT", now_ms - back * MINUTE_MS) for back in (10, 11, 150, 700)]
        lost += [(2, "BTCUSDT", now_ms - back * MINUTE_MS) for back in range(20, 40)]
        for key in lost:
            assert course.store.versions.pop(key)
        await let_work_until(
            lambda: all(key in course.store.versions for key in lost), what="scanned", within_s=60
        )
        states = course.ingestion.states()
        assert [state.repaired for state in states] == [4, 20]
        await let_work_until(lambda: course.ingestion.states()[0].catch_up is None)
        await let_work_until(lambda: course.ingestion.states()[0].scanned_at is not None)
    course.hold()


async def test_after_an_outage_the_live_minutes_come_first_and_the_rest_with_its_progress() -> None:
    course = Course("binance", [BTC], **quick_scans())
    start_ms = course.played.now_ms() // MINUTE_MS * MINUTE_MS - 8 * 1440 * MINUTE_MS
    rows = course.played.candles(BTC.market, "BTCUSDT", start_ms, start_ms + MINUTE_MS)
    await course.store.insert_many([(BTC, rows)], "rest", {1: course.played.now_ms()})
    lefts: list[int] = []

    def is_over() -> bool:
        if told := course.ingestion.states()[0].catch_up:
            lefts.append(told.minutes_left)
        return bool(lefts) and told is None

    async with course.running():
        await let_work_until(is_over, what="caught up", within_s=60)
        await course.has_all(BTC)
    assert lefts[0] > 9_000
    assert lefts == sorted(lefts, reverse=True)
    minutes_in_order = [ts_ms for _, _, ts_ms in course.store.versions]
    recent_ms, oldest_ms = start_ms + 8 * 1440 * MINUTE_MS - 60 * MINUTE_MS, start_ms + MINUTE_MS
    assert minutes_in_order.index(recent_ms) < minutes_in_order.index(oldest_ms + 7 * 1440 * MINUTE_MS)
    assert len(course.store.stamps(1, "BTCUSDT", start_ms, recent_ms)) == 8 * 1440 - 60
    course.hold()


async def test_an_old_hole_is_a_verdict_of_the_scans_and_ends_when_its_minute_appears(holes: HoleStore) -> None:
    course = Course("binance", [BTC], **quick_scans(full_scan_every_s=900.0))
    hole_ms = course.played.now_ms() // MINUTE_MS * MINUTE_MS - 500 * MINUTE_MS
    course.played.source = source = WithHole(hole_ms)
    course.ingestion, course.holes = course.process(), holes
    around = hole_ms - 600 * MINUTE_MS, hole_ms + MINUTE_MS
    rows = source.candles(BTC.market, "BTCUSDT", around[0], around[0] + MINUTE_MS)
    await course.store.insert_many([(BTC, rows)], "rest", {1: course.played.now_ms()})

    async def holes_are(expected: list[int]) -> None:
        for _ in range(1200):
            if await holes.open_holes(BTC, *around) == expected:
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"not the holes {expected}")

    async with course.running():
        await holes_are([hole_ms])
        assert (1, "BTCUSDT", hole_ms) not in course.store.versions
        await let_work_until(lambda: course.ingestion.states()[0].catch_up is None)
        source.is_open = True
        await let_work_until(lambda: (1, "BTCUSDT", hole_ms) in course.store.versions, within_s=60)
        await holes_are([])
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
