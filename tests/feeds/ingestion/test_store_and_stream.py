"""Ingestion whose store, Postgres or Valkey is away: all is stored in the end, and then in the stream."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from candleray.databases.valkey import Valkey
from candleray.feeds.candle_stream import stream_of
from candleray.market_data.insert_report import InsertReport
from candleray.markets import Instrument
from candleray.timeframes import MINUTE_MS
from tests.support import embedded
from tests.support.feeds.venue_course import BTC, ETH, PERP, Course
from tests.support.waiting import let_work_until


@pytest.fixture
async def valkey() -> AsyncIterator[Valkey]:
    store = await Valkey.open(embedded.valkey_url())
    await store.client.flushall()
    yield store
    await store.client.config_set("maxmemory", 0)
    await store.client.flushall()
    await store.close()


async def stream_stamps(valkey: Valkey, one: Instrument) -> list[int]:
    entries: Any = await valkey.client.xrange(stream_of(one))
    return [int(entry_id.partition(b"-")[0]) for entry_id, _ in entries]


async def stream_has_all(course: Course, valkey: Valkey, one: Instrument) -> None:
    """Wait until the stream goes past now; then it must have the newest two hours of the store without a hole."""
    until_ms = course.played.now_ms() + 2 * MINUTE_MS

    async def is_past() -> bool:
        return max(await stream_stamps(valkey, one), default=0) > until_ms

    await let_work_until(is_past, what="the stream goes past now")
    stamps = await stream_stamps(valkey, one)
    stored = course.store.stamps(one.market_id, one.symbol, 0, stamps[-1] + 1).tolist()
    assert stamps == stored[-len(stamps) :]
    assert len(stamps) >= 120


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


async def test_rows_whose_minutes_are_not_over_for_the_store_wait_and_are_told_with_their_symbol(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    course, waits = Course("binance", [BTC, ETH]), "waits for the exchange's clock"
    insert_many = course.store.insert_many

    async def insert_by_an_older_clock(batch: Any, source: str, venue_ms: Mapping[int, int]) -> list[InsertReport]:
        older_ms = {market_id: now_ms - 10 * MINUTE_MS for market_id, now_ms in venue_ms.items()}
        return await insert_many(batch, source, older_ms)

    async with course.running():
        await course.has_all(BTC, ETH)
        with monkeypatch.context() as set_back:
            set_back.setattr(course.store, "insert_many", insert_by_an_older_clock)
            await let_work_until(lambda: waits in course.ingestion.states()[0].refused, what=waits)
        assert re.match("(BTC|ETH)USDT, row ", course.ingestion.states()[0].refused[waits].example)
        await course.has_all(BTC, ETH)
    course.hold()


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


async def test_a_minute_that_somebody_else_brought_first_enters_the_stream_with_those_values(
    valkey: Valkey,
) -> None:
    course = Course("binance", [BTC])
    course.valkey = valkey
    async with course.running():
        await course.has_all(BTC)
        foreign_ms = course.played.now_ms() // MINUTE_MS * MINUTE_MS + 3 * MINUTE_MS
        course.store.versions[1, "BTCUSDT", foreign_ms].append(("file", (7.0, 8.0, 6.0, 7.5, 1.0)))
        await course.has_all(BTC, minutes=6)
        await stream_has_all(course, valkey, BTC)
    assert len(course.store.versions[1, "BTCUSDT", foreign_ms]) == 2
    ((_, fields),) = await valkey.client.xrange(stream_of(BTC), f"{foreign_ms}-0", f"{foreign_ms}-0")
    assert float(fields[b"close"]) == 7.5
