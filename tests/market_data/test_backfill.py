"""Backfill: missing minutes are fetched once, those that an exchange lacks are reported, a kill loses nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator

import httpx
import numpy as np
import pytest

from candleray.candles import CandleRows
from candleray.errors import ExchangeError, InvalidInput, NotFound
from candleray.exchanges.discovery import EXCHANGES
from candleray.market_data.backfill import BATCH_ROWS, BackfillProgress, backfill
from candleray.market_data.candle_store import CandleStore
from candleray.market_data.coverage import missing_ranges, runs_of
from candleray.market_data.history import History
from candleray.market_data.insert_report import InsertReport
from candleray.market_data.screening import screen
from candleray.markets import MARKETS, Market
from candleray.settings import HistorySettings
from candleray.simulator.generated_candles import GeneratedCandles
from candleray.timeframes import DAY_MS, MINUTE_MS, to_ms
from serve_apps.simulator import Faults
from tests.support.simulated import NOW_MS, Clock, Holes, history_of, minutes_before_now

SOURCE = GeneratedCandles()
MARKET = MARKETS[1]
every_market = pytest.mark.parametrize("market", MARKETS.values(), ids=lambda market: market.name)


class Killed(Exception):
    pass


class MemorySink:
    """The minutes of one instrument, kept in memory; `dies_at` is the put that is never finished."""

    def __init__(self, dies_at: int | None = None) -> None:
        self.closes: dict[int, float] = {}
        self.puts: list[int] = []
        self.dies_at = dies_at

    def missing(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> list[tuple[int, int]]:
        stamps = np.array(sorted(self.closes), np.int64)
        return [(first, last) for first, last in missing_ranges(stamps, start_ms, end_ms).tolist()]

    def put(self, market_id: int, symbol: str, rows: CandleRows) -> InsertReport:
        if len(self.puts) == self.dies_at:
            raise Killed
        candles, refused = screen(rows, NOW_MS)
        fresh = [ts_ms for ts_ms in candles.ts_open_ms.tolist() if ts_ms not in self.closes]
        self.closes |= dict(zip(candles.ts_open_ms.tolist(), candles.values[3].tolist(), strict=True))
        self.puts.append(len(rows))
        unchanged = len(candles) - len(fresh)
        return InsertReport(received=len(rows), written=len(fresh), unchanged=unchanged, refused=tuple(refused))


class StoreSink:
    """The real store behind the same two calls."""

    def __init__(self, store: CandleStore) -> None:
        self.store = store

    def missing(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> list[tuple[int, int]]:
        found = self.store.missing(market_id, symbol, start_ms, end_ms)
        return [(to_ms(run.start), to_ms(run.end)) for run in found]

    def put(self, market_id: int, symbol: str, rows: CandleRows) -> InsertReport:
        return self.store.insert(market_id, symbol, rows)


@every_market
async def test_a_backfill_brings_every_minute_and_a_second_one_asks_for_nothing(market, embedded_store):
    sink = StoreSink(embedded_store)
    seen: list[httpx.Response] = []
    start_ms, end_ms = minutes_before_now(5 * 1440), minutes_before_now(1440)
    async with history_of(clock=Clock(), seen=seen) as history:
        report = await backfill(history, sink, market, "XRPUSDT", start_ms, end_ms)
        asked = len(seen)
        again = await backfill(history, sink, market, "XRPUSDT", start_ms, end_ms)
    assert (report.missing_before, report.fetched, report.inserted.written, report.absent) == (
        5760,
        5760,
        5760,
        (),
    )
    assert (again.missing_before, again.fetched, len(seen)) == (0, 0, asked)
    stored = embedded_store.read(market.market_id, "XRPUSDT", start_ms, end_ms)
    expected = SOURCE.candles(market, "XRPUSDT", start_ms, end_ms)
    assert np.array_equal(stored.ts_open_ms, expected.ts_open_ms)
    assert np.array_equal(stored.values, expected.values)


async def test_killed_in_the_middle_it_goes_on_where_it_was():
    sink = MemorySink(dies_at=1)
    start_ms, end_ms = minutes_before_now(3 * BATCH_ROWS), minutes_before_now(0)
    async with history_of(clock=Clock()) as history:
        with pytest.raises(Killed):
            await backfill(history, sink, MARKET, "BTCUSDT", start_ms, end_ms)
    kept = len(sink.closes)
    assert BATCH_ROWS <= kept < 2 * BATCH_ROWS
    sink.dies_at = None
    async with history_of(clock=Clock()) as history:
        report = await backfill(history, sink, MARKET, "BTCUSDT", start_ms, end_ms)
    assert (report.missing_before, report.fetched) == (3 * BATCH_ROWS - kept, 3 * BATCH_ROWS - kept)
    assert (report.inserted.unchanged, report.absent) == (0, ())
    expected = SOURCE.candles(MARKET, "BTCUSDT", start_ms, end_ms)
    assert [sink.closes[ts_ms] for ts_ms in expected.ts_open_ms.tolist()] == expected.values[3].tolist()


async def test_a_put_under_way_is_finished_when_the_exchange_fails_behind_it():
    class Slow(MemorySink):
        def put(self, market_id: int, symbol: str, rows: CandleRows) -> InsertReport:
            time.sleep(0.2)
            return super().put(market_id, symbol, rows)

    class Failing(History):
        async def candles(
            self, market: Market, symbol: str, start_ms: int, end_ms: int
        ) -> AsyncGenerator[CandleRows, None]:
            yield SOURCE.candles(market, symbol, start_ms, start_ms + BATCH_ROWS * MINUTE_MS)
            raise ExchangeError("a test")

    sink, clock = Slow(), Clock()
    end_ms = minutes_before_now(0)
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json={"serverTime": NOW_MS}))
    async with Failing(HistorySettings(), transport=transport, clock=clock, sleep=clock.sleep) as history:
        with pytest.raises(ExchangeError, match="a test"):
            await backfill(history, sink, MARKET, "BTCUSDT", end_ms - 2 * BATCH_ROWS * MINUTE_MS, end_ms)
    assert sink.puts == [BATCH_ROWS]
    assert len(sink.closes) == BATCH_ROWS


async def test_only_the_holes_are_fetched_and_near_ones_together():
    sink = MemorySink()
    start_ms, end_ms = minutes_before_now(20_000), minutes_before_now(0)
    sink.put(1, "BTCUSDT", SOURCE.candles(MARKET, "BTCUSDT", start_ms, end_ms))
    holes = [start_ms + minute * MINUTE_MS for minute in (5_000, 5_002, 5_100, 15_000)]
    for ts_ms in holes:
        del sink.closes[ts_ms]
    seen: list[httpx.Response] = []
    async with history_of(clock=Clock(), seen=seen) as history:
        report = await backfill(history, sink, MARKET, "BTCUSDT", start_ms, end_ms)
    assert (report.missing_before, report.fetched, report.inserted.written) == (4, 102, 4)
    assert len([response for response in seen if response.url.path.endswith("klines")]) == 2


@every_market
async def test_minutes_an_exchange_never_had_are_reported_and_do_not_hold_it_up(market):
    outages = [
        (minutes_before_now(9_000), minutes_before_now(6_990)),
        (minutes_before_now(500), minutes_before_now(499)),
    ]
    sink = MemorySink()
    async with history_of(Holes(SOURCE, *outages), clock=Clock()) as history:
        report = await backfill(history, sink, market, "BTCUSDT", minutes_before_now(10_000), NOW_MS + DAY_MS)
        again = await backfill(history, sink, market, "BTCUSDT", minutes_before_now(10_000), NOW_MS + DAY_MS)
    assert report.absent == runs_of(outages)
    assert to_ms(report.end) == minutes_before_now(0)
    assert (again.missing_before, again.fetched, again.absent) == (2011, 0, report.absent)


async def test_time_before_the_listing_is_one_absent_run():
    listed_ms, _ = SOURCE.span_ms(MARKET, "SOLUSDT")
    start_ms = listed_ms - 400 * DAY_MS
    async with history_of(clock=Clock()) as history:
        report = await backfill(history, MemorySink(), MARKET, "SOLUSDT", start_ms, listed_ms + DAY_MS)
    assert report.fetched == 1440
    assert report.absent == runs_of([(start_ms, listed_ms)])


async def test_a_range_wholly_in_the_future_brings_nothing():
    async with history_of(clock=Clock()) as history:
        report = await backfill(history, MemorySink(), MARKET, "BTCUSDT", NOW_MS + DAY_MS, NOW_MS + 2 * DAY_MS)
    assert (report.missing_before, report.fetched, report.absent) == (0, 0, ())


async def test_progress_rises_to_what_was_expected():
    told: list[BackfillProgress] = []
    async with history_of(clock=Clock()) as history:
        await backfill(
            history, MemorySink(), MARKET, "BTCUSDT", minutes_before_now(4_500), minutes_before_now(0), told.append
        )
    assert [progress.rows_done for progress in told] == sorted(progress.rows_done for progress in told)
    assert told[0].rows_done == 0
    assert (told[-1].rows_done, {progress.rows_expected for progress in told}) == (4_500, {4_500})
    assert told[-1].rows_per_s > 0


async def test_faults_on_the_way_change_nothing_but_the_time():
    sink, faults = MemorySink(), Faults(rate_limited=5, unavailable=7, html=11, truncated=13)
    async with history_of(faults=faults, clock=Clock()) as history:
        report = await backfill(history, sink, MARKETS[4], "BTCUSDT", minutes_before_now(30_000), NOW_MS)
    assert (report.fetched, report.inserted.written, report.absent) == (30_000, 30_000, ())
    assert max(sink.puts) < BATCH_ROWS + EXCHANGES["bybit"].api(MARKETS[4]).page_minutes


async def test_rows_that_are_no_candles_are_refused_and_stay_missing():
    class Broken(Holes):
        def candles(self, market, symbol, start_ms, end_ms):
            rows = super().candles(market, symbol, start_ms, end_ms)
            rows.values[1, rows.ts_open_ms == minutes_before_now(50)] = 0.01
            return rows

    async with history_of(Broken(SOURCE), clock=Clock()) as history:
        report = await backfill(history, MemorySink(), MARKET, "BTCUSDT", minutes_before_now(100), NOW_MS)
    assert (report.inserted.refused_count, report.inserted.written) == (1, 99)
    assert report.absent == runs_of([(minutes_before_now(50), minutes_before_now(49))])


async def test_start_after_end_and_an_unknown_symbol_are_said():
    async with history_of(clock=Clock()) as history:
        with pytest.raises(InvalidInput, match=r"start .* must be before end"):
            await backfill(history, MemorySink(), MARKET, "BTCUSDT", NOW_MS, NOW_MS)
        with pytest.raises(NotFound, match="did you mean 'ETHUSDT'"):
            await backfill(history, MemorySink(), MARKET, "ETHUSD", minutes_before_now(9), NOW_MS)


async def test_many_backfills_at_once_share_the_market():
    sinks = {symbol: MemorySink() for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT")}
    start_ms, end_ms = minutes_before_now(3_000), minutes_before_now(0)
    async with history_of(clock=Clock()) as history:
        reports = await asyncio.gather(
            *(backfill(history, sink, MARKET, symbol, start_ms, end_ms) for symbol, sink in sinks.items())
        )
    assert [report.inserted.written for report in reports] == [3_000] * 3
