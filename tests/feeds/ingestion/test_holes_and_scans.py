"""Minutes that the exchange or the store lacks: holes by verdict, and scans that find the others."""

from __future__ import annotations

from collections.abc import AsyncIterator

import numpy as np
import pytest

from candleray.candles import CandleRows
from candleray.databases.postgres import Postgres
from candleray.feeds.fill_gate import AT_ONCE
from candleray.feeds.hole_store import HoleStore
from candleray.feeds.minutes import Verdict
from candleray.markets import Market
from candleray.simulator.generated_candles import GeneratedCandles
from candleray.timeframes import MINUTE_MS
from tests.support import embedded
from tests.support.feeds.played_venue import WithHole
from tests.support.feeds.venue_course import BTC, ETH, PERP, Course
from tests.support.waiting import let_work_until


@pytest.fixture
async def holes() -> AsyncIterator[HoleStore]:
    postgres = await Postgres.open(embedded.postgres_url(), max_connections=2)
    async with postgres.connection() as connection:
        await connection.execute("TRUNCATE candle_holes, feed_states")
    yield HoleStore(postgres)
    await postgres.close()


async def holes_are(holes: HoleStore, start_ms: int, end_ms: int, expected: list[int]) -> None:
    """Wait until Postgres has these holes of a range and no others."""

    async def found() -> bool:
        return await holes.open_holes(BTC, start_ms, end_ms) == expected

    await let_work_until(found, what=f"the holes are {expected}")


def quick_scans(**changes: float) -> dict[str, float]:
    known = {"scan_every_s": 150.0, "long_scan_every_s": 300.0, "full_scan_every_s": 600.0}
    return known | {"scan_window_s": 3600.0, "long_scan_window_s": 10_800.0} | changes


async def test_a_minute_that_the_exchange_does_not_have_is_a_row_and_one_that_comes_later_fills_it(
    holes: HoleStore,
) -> None:
    course = Course("binance", [BTC])
    hole_ms = course.played.now_ms() // MINUTE_MS * MINUTE_MS + 3 * MINUTE_MS
    around = hole_ms - MINUTE_MS, hole_ms + MINUTE_MS
    course.played.source = source = WithHole(hole_ms)
    course.ingestion = course.process()
    async with course.running():
        await let_work_until(
            lambda: len(course.ingestion.markets[1].verdicts) == 1, what="a verdict without Postgres"
        )
        assert course.store.versions.get((1, "BTCUSDT", hole_ms)) is None
        course.holes = holes
        await holes_are(holes, *around, [hole_ms])
        await let_work_until(
            lambda: not course.ingestion.states()[0].incomplete, what="the hole counts as settled"
        )
        source.is_open = True
        await let_work_until(lambda: (1, "BTCUSDT", hole_ms) in course.store.versions, what="asked again")
        await holes_are(holes, *around, [])
    course.hold()


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
        await let_work_until(lambda: all(key in course.store.versions for key in lost), what="scanned")
        states = course.ingestion.states()
        assert [state.repaired for state in states] == [4, 20]
        await let_work_until(lambda: course.ingestion.states()[0].catch_up is None)
        await let_work_until(lambda: course.ingestion.states()[0].scanned_at is not None)
    course.hold()


async def test_what_a_socket_told_otherwise_than_rest_has_it_is_revised_within_an_hour() -> None:
    """Minutes that no restart and no lost socket has told again."""
    async with Course("binance", [BTC, ETH], **quick_scans(long_scan_every_s=3600.0)).running() as course:
        await course.has_all(BTC, ETH)
        told = 1, "ETHUSDT", course.played.now_ms() // MINUTE_MS * MINUTE_MS - 25 * MINUTE_MS
        (known,) = course.store.versions[told]
        course.store.versions[told] = [("websocket", (*known[1][:4], known[1][4] + 1.0))]
        await let_work_until(lambda: len(course.store.versions[told]) == 2, what="the revision")
        assert course.store.versions[told][-1] == ("rest", known[1])
        del course.store.versions[told][0]
    course.hold()


async def test_what_a_socket_told_otherwise_is_revised_however_many_looks_the_process_before_missed() -> None:
    """REST was away for many hours, and then the process ended."""
    scans = quick_scans(long_scan_every_s=3600.0, long_scan_window_s=172_800.0)
    async with Course("binance", [BTC], **scans).running() as course:
        await course.has_all(BTC)
    told_ms = course.played.now_ms() // MINUTE_MS * MINUTE_MS - 2000 * MINUTE_MS
    rows = course.played.source.candles(BTC.market, "BTCUSDT", told_ms, told_ms + 2000 * MINUTE_MS)
    await course.store.insert_many([(BTC, rows)], "websocket", {1: course.played.now_ms()})
    told = 1, "BTCUSDT", told_ms + 3 * MINUTE_MS
    (known,) = course.store.versions[told]
    course.store.versions[told] = [("websocket", (*known[1][:4], known[1][4] + 1.0))]
    course.ingestion = course.process()
    async with course.running():
        await let_work_until(lambda: len(course.store.versions[told]) == 2, what="the revision")
        assert course.store.versions[told][-1] == ("rest", known[1])
        del course.store.versions[told][0]
    course.hold()


async def test_repair_asks_for_a_page_a_minute_where_live_questions_never_end() -> None:
    async with Course("binance", [BTC], **quick_scans()).running() as course:
        await course.has_all(BTC)
        for _ in range(AT_ONCE):
            course.ingestion.markets[1].feed.gate.enter()
        lost = 1, "BTCUSDT", course.played.now_ms() // MINUTE_MS * MINUTE_MS - 30 * MINUTE_MS
        assert course.store.versions.pop(lost)
        await let_work_until(lambda: lost in course.store.versions, what="the lost minute")
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
        await let_work_until(is_over, what="caught up")
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
    async with course.running():
        await holes_are(holes, *around, [hole_ms])
        assert (1, "BTCUSDT", hole_ms) not in course.store.versions
        await let_work_until(lambda: course.ingestion.states()[0].catch_up is None)
        source.is_open = True
        await let_work_until(lambda: (1, "BTCUSDT", hole_ms) in course.store.versions)
        await holes_are(holes, *around, [])
    course.hold()


class Witness(GeneratedCandles):
    """Candles, and the first minutes of the questions for them."""

    def __init__(self) -> None:
        super().__init__(seed=5)
        self.asked_ms: list[int] = []
        self.absent_ms = 0

    def candles(self, market: Market, symbol: str, start_ms: int, end_ms: int) -> CandleRows:
        self.asked_ms.append(start_ms)
        rows = super().candles(market, symbol, start_ms, end_ms)
        return rows.take(np.flatnonzero(rows.ts_open_ms != self.absent_ms))


async def test_holes_that_were_asked_for_longest_ago_come_first(holes: HoleStore) -> None:
    course = Course("binance", [BTC], **quick_scans())
    now_ms = course.played.now_ms() // MINUTE_MS * MINUTE_MS
    old, young, absent = (now_ms - days * 1440 * MINUTE_MS for days in (8, 4, 2))
    course.played.source = source = Witness()
    source.absent_ms = absent
    course.ingestion, course.holes = course.process(), holes
    asked_ms = {old: now_ms - MINUTE_MS, young: young, absent: now_ms - 3 * MINUTE_MS}
    await holes.declare(BTC.market, [Verdict("BTCUSDT", ts_ms, ts_ms, at) for ts_ms, at in asked_ms.items()])
    rows = source.candles(BTC.market, "BTCUSDT", old - MINUTE_MS, now_ms)
    kept = rows.take(np.flatnonzero(~np.isin(rows.ts_open_ms, list(asked_ms))))
    await course.store.insert_many([(BTC, kept)], "rest", {1: course.played.now_ms()})

    async def is_over() -> bool:
        left = await holes.asked_holes(BTC, old, now_ms)
        return left.keys() == {absent} and left[absent] > asked_ms[absent]

    async with course.running():
        await let_work_until(is_over, what="two have come, and that the third was asked for is noted")
    assert [ts_ms for ts_ms in source.asked_ms if ts_ms in asked_ms][:3] == [young, absent, old]
    course.hold()


async def test_many_scattered_holes_that_have_come_take_few_questions(holes: HoleStore) -> None:
    course = Course("binance", [BTC], **quick_scans())
    end_ms = course.played.now_ms() // MINUTE_MS * MINUTE_MS - 200 * MINUTE_MS
    start_ms = end_ms - 2880 * MINUTE_MS
    course.played.source = source = Witness()
    course.ingestion, course.holes = course.process(), holes
    scattered = list(range(start_ms + 40 * MINUTE_MS, end_ms, 40 * MINUTE_MS))
    await holes.declare(BTC.market, [Verdict("BTCUSDT", ts_ms, ts_ms, ts_ms) for ts_ms in scattered])
    rows = source.candles(BTC.market, "BTCUSDT", start_ms, end_ms)
    kept = rows.take(np.flatnonzero(~np.isin(rows.ts_open_ms, scattered)))
    await course.store.insert_many([(BTC, kept)], "rest", {1: course.played.now_ms()})
    source.asked_ms.clear()
    async with course.running():
        await let_work_until(lambda: all((1, "BTCUSDT", ts_ms) in course.store.versions for ts_ms in scattered))
        await holes_are(holes, start_ms, end_ms, [])
    assert len([ts_ms for ts_ms in source.asked_ms if ts_ms < end_ms]) <= 12, f"{len(scattered)} holes"
    course.hold()
