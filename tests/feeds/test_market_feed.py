"""The core of ingestion: under any schedule of faults every minute that the venue has ends in the store."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pytest

from candleray.candles import CandleRows
from candleray.exchanges.stream import LiveKline
from candleray.feeds.market_feed import NOT_FOLLOWED, Ask, MarketFeed
from candleray.feeds.minutes import Verdict
from candleray.feeds.pace import Pace
from candleray.feeds.row_buffer import LiveRow, RowBuffer
from candleray.markets import Instrument, find_market
from candleray.timeframes import MINUTE_MS
from tests.support.feeds.random_market import START_MS, SYMBOLS, RandomMarket, kline_of

SECOND = 1000
SYMBOL = "AAAUSDT"
SCHEDULES = 30


def hold(market: RandomMarket) -> None:
    """Hold what is in the store against what happened at the venue."""
    for symbol in SYMBOLS:
        for ts_ms in market.stamps().tolist():
            key = symbol, ts_ms
            versions = market.store.get(key, [])
            if key in market.venue.never:
                assert not versions, f"seed {market.seed}: {key} was invented"
                assert key in market.holes, f"seed {market.seed}: {key} has no verdict"
                verdict = market.holes[key]
                assert verdict.last_asked_ms - verdict.first_asked_ms >= market.pace.verdict_ms
                continue
            assert versions, f"seed {market.seed}: {key} is lost"
            assert key not in market.holes, f"seed {market.seed}: {key} came and is a hole still"
            known = [kline_of(symbol, ts_ms, version) for version in range(market.venue.version[key] + 1)]
            assert all(version in known for version in versions), f"seed {market.seed}: {key} has invented values"
            assert len(versions) <= 3, f"seed {market.seed}: {key} has {len(versions)} versions"
    assert set(market.store) <= {(symbol, ts_ms) for symbol, ts_ms in market.venue.version}


@pytest.mark.parametrize("seed", range(SCHEDULES))
def test_no_schedule_of_faults_loses_or_invents_a_minute(seed: int) -> None:
    market = RandomMarket(seed)
    market.run()
    hold(market)


@pytest.fixture
def feed() -> MarketFeed:
    feed = MarketFeed(find_market("binance-spot"), Pace(), page_minutes=1000)
    feed.follow(SYMBOL, START_MS, START_MS)
    feed.serve([SYMBOL], START_MS)
    return feed


def store(feed: MarketFeed, ts_ms: int, now_ms: int) -> None:
    row = feed.tell(kline_of(SYMBOL, ts_ms), now_ms)
    assert row is not None
    feed.keep(row, now_ms)


def answer(feed: MarketFeed, ask: Ask, *stamps_ms: int, now_ms: int) -> tuple[list[LiveRow], list[int]]:
    rows = LiveKline.rows([kline_of(SYMBOL, ts_ms) for ts_ms in stamps_ms])
    to_write, verdicts = feed.answer(ask, rows, now_ms)
    for row in to_write:
        feed.keep(row, now_ms)
    return to_write, [verdict.ts_open_ms for verdict in verdicts]


def test_a_minute_that_the_socket_does_not_tell_is_asked_for_8_s_after_its_close(feed: MarketFeed) -> None:
    closed_ms = START_MS + MINUTE_MS
    assert feed.asks(closed_ms + 7 * SECOND) == []
    (ask,) = feed.asks(closed_ms + 8 * SECOND)
    assert (ask.start_ms, ask.end_ms) == (START_MS, closed_ms)
    assert feed.asks(closed_ms + 9 * SECOND) == [], "one question at a time"
    rows, _ = answer(feed, ask, START_MS, now_ms=closed_ms + 9 * SECOND)
    assert [row.source for row in rows] == ["rest"]
    assert feed.counts.filled == 1
    assert feed.asks(closed_ms + 20 * SECOND) == []


def test_without_a_socket_rest_is_asked_shortly_after_each_close(feed: MarketFeed) -> None:
    feed.desert([SYMBOL], START_MS)
    closed_ms = START_MS + MINUTE_MS
    assert feed.asks(closed_ms + SECOND) == []
    assert len(feed.asks(closed_ms + 1_500)) == 1


def test_after_a_reconnect_what_closed_meanwhile_is_asked_for_at_once(feed: MarketFeed) -> None:
    feed.desert([SYMBOL], START_MS)
    closed_ms = START_MS + 3 * MINUTE_MS
    feed.serve([SYMBOL], closed_ms + 2 * SECOND)
    (ask,) = feed.asks(closed_ms + 2 * SECOND)
    assert (ask.start_ms, ask.end_ms) == (START_MS, closed_ms)


def test_a_closed_candle_told_again_is_no_row_and_one_with_other_values_is_a_revision(feed: MarketFeed) -> None:
    now_ms = START_MS + MINUTE_MS
    store(feed, START_MS, now_ms)
    assert feed.tell(kline_of(SYMBOL, START_MS), now_ms + SECOND) is None
    assert feed.counts.repeated == 1
    assert feed.tell(kline_of(SYMBOL, START_MS, 1), now_ms + 2 * SECOND) is not None


def test_a_late_candle_may_come_after_its_successor(feed: MarketFeed) -> None:
    now_ms = START_MS + 2 * MINUTE_MS
    store(feed, START_MS + MINUTE_MS, now_ms)
    store(feed, START_MS, now_ms + SECOND)
    assert feed.asks(now_ms + 9 * SECOND) == []


@pytest.mark.parametrize(
    ("kline", "reason"),
    [
        (LiveKline(SYMBOL, START_MS, math.nan, 1, 1, 1, 1), "not a finite number"),
        (LiveKline(SYMBOL, START_MS, 1, 1, 1, -1, 1), "price not above zero"),
        (LiveKline(SYMBOL, START_MS, 1, 1, 2, 1, 1), "high below low"),
        (LiveKline(SYMBOL, START_MS + 1, 1, 1, 1, 1, 1), "opens off the minute"),
        (LiveKline(SYMBOL, START_MS * 1000, 1, 1, 1, 1, 1), "stamp out of the years 2009 to 2099"),
        (LiveKline(SYMBOL, START_MS + MINUTE_MS, 1, 1, 1, 1, 1), "not closed yet"),
    ],
)
def test_a_row_that_is_no_candle_is_refused_with_its_reason(
    feed: MarketFeed, kline: LiveKline, reason: str
) -> None:
    now_ms = START_MS + MINUTE_MS
    assert feed.tell(kline, now_ms) is None
    assert dict(feed.counts.refused) == {reason: 1}
    assert feed.counts.examples[reason].startswith(f"{SYMBOL}, row 1: ")
    assert len(feed.asks(now_ms + 8 * SECOND)) == 1, "its minute is taken from REST"


def test_a_candle_that_was_sent_before_its_minute_was_over_is_refused_however_late_it_is_read(
    feed: MarketFeed,
) -> None:
    store(feed, START_MS, START_MS + 2 * MINUTE_MS)
    early = replace(kline_of(SYMBOL, START_MS, 1), told_ms=START_MS + MINUTE_MS - 30 * SECOND)
    assert feed.tell(early, START_MS + 5 * MINUTE_MS) is None
    assert dict(feed.counts.refused) == {"not closed yet": 1}
    revised = replace(early, told_ms=START_MS + MINUTE_MS + 7 * SECOND)
    assert feed.tell(revised, START_MS + 5 * MINUTE_MS) is not None


class CountedLooks(dict[int, int]):
    """A dictionary that counts how often it is asked for a key."""

    looks = 0

    def __contains__(self, key: object) -> bool:
        self.looks += 1
        return super().__contains__(key)


def test_minutes_that_wait_for_the_store_are_looked_at_once_and_asked_for_where_they_are_lost(
    feed: MarketFeed,
) -> None:
    stamps = range(START_MS, START_MS + 600 * MINUTE_MS, MINUTE_MS)
    now_ms = stamps[-1] + 2 * MINUTE_MS - SECOND
    rows = [feed.tell(kline_of(SYMBOL, ts_ms), now_ms) for ts_ms in stamps]
    minutes = feed.minutes[SYMBOL]
    minutes._held = held = CountedLooks(minutes._held)
    assert feed.asks(now_ms) == []
    assert held.looks >= 600
    held.looks = 0
    assert feed.asks(now_ms + SECOND // 2) == []
    assert held.looks == 0
    lost = rows[20]
    assert lost
    feed.lose([lost])
    assert [ask.start_ms for ask in feed.asks(now_ms + SECOND // 2)] == [stamps[20]]


def test_a_symbol_that_is_not_subscribed_is_ignored_and_counted(feed: MarketFeed) -> None:
    assert feed.tell(kline_of("OTHERUSDT", START_MS), START_MS + MINUTE_MS) is None
    assert dict(feed.counts.ignored) == {NOT_FOLLOWED: 1}


def test_a_hole_needs_two_answers_two_minutes_apart_with_later_minutes_and_without_it(feed: MarketFeed) -> None:
    now_ms = START_MS + 2 * MINUTE_MS + 8 * SECOND
    (ask,) = feed.asks(now_ms)
    assert answer(feed, ask, now_ms=now_ms) == ([], []), "an empty answer shows nothing"
    (ask,) = feed.asks(now_ms := now_ms + 2 * SECOND)
    _, verdicts = answer(feed, ask, START_MS + MINUTE_MS, now_ms=now_ms)
    assert verdicts == []
    later = [START_MS + minute * MINUTE_MS for minute in range(2, 5)]
    for ts_ms in later[:2]:
        store(feed, ts_ms, ts_ms + MINUTE_MS)
    assert feed.asks(now_ms + 119 * SECOND) == []
    (ask,) = feed.asks(now_ms + 120 * SECOND)
    assert ask.start_ms == START_MS
    _, verdicts = answer(feed, ask, START_MS + MINUTE_MS, *later[:2], now_ms=now_ms + 120 * SECOND)
    assert verdicts == [START_MS]


def test_a_hole_is_asked_for_again_every_hour_and_closed_by_what_comes(feed: MarketFeed) -> None:
    now_ms = START_MS + MINUTE_MS
    feed.declare_hole(Verdict(SYMBOL, START_MS, now_ms, now_ms), now_ms)
    assert feed.asks(now_ms + 8 * SECOND) == []
    row = feed.tell(kline_of(SYMBOL, START_MS), now_ms + 9 * SECOND)
    assert row is not None
    assert feed.keep(row, now_ms + 9 * SECOND), "the keeper of verdicts is to be told"


def test_holes_that_another_process_declared_are_asked_for_at_once_however_old() -> None:
    feed = MarketFeed(find_market("binance-spot"), Pace(), page_minutes=10)
    end_ms = START_MS + 35 * MINUTE_MS
    feed.follow(SYMBOL, START_MS + 30 * MINUTE_MS, end_ms)
    holes_ms = [START_MS + minute * MINUTE_MS for minute in (2, 12, 31)]
    feed.minutes[SYMBOL].adopt_stored([(holes_ms[2], holes_ms[2] + MINUTE_MS)], end_ms)
    feed.adopt_holes(SYMBOL, holes_ms, end_ms)
    stored = [ts_ms for ts_ms in range(START_MS, end_ms, MINUTE_MS) if ts_ms != holes_ms[1]]
    assert ask_all(feed, end_ms, stored, for_s=30) == [30, 2, 12], "first what may have been revised"
    assert feed.minutes[SYMBOL].holes == {holes_ms[1]}, "the others had come meanwhile"


@pytest.mark.parametrize("why", ["a start", "a socket that comes back"])
def test_minutes_that_were_revised_while_nobody_listened_are_told_again_by_rest(
    feed: MarketFeed, why: str
) -> None:
    """A quarter of an hour is asked for, once; the store keeps what differs."""
    end_ms, old_ms = START_MS + 20 * MINUTE_MS, START_MS + 4 * MINUTE_MS
    feed.follow(SYMBOL, START_MS, START_MS if why != "a start" else end_ms)
    feed.minutes[SYMBOL].adopt_stored([], end_ms)
    if why != "a start":
        assert feed.asks(end_ms) == []
        feed.desert([SYMBOL], end_ms)
        feed.serve([SYMBOL], end_ms)
    (ask,) = feed.asks(end_ms)
    assert (ask.start_ms, ask.end_ms) == (START_MS + 5 * MINUTE_MS, end_ms)
    stamps = range(old_ms, end_ms, MINUTE_MS)
    rows = LiveKline.rows([kline_of(SYMBOL, ts_ms) for ts_ms in stamps])
    to_write, verdicts = feed.answer(ask, rows, end_ms)
    assert [row.kline.ts_open_ms for row in to_write] == list(stamps)[1:]
    assert {row.source for row in to_write} == {"rest"}
    for row in to_write:
        assert not feed.keep(row, end_ms)
    assert (verdicts, feed.asks(end_ms + SECOND), feed.counts.filled) == ([], [], 0)
    feed.serve([SYMBOL], end_ms)
    assert feed.asks(end_ms + SECOND) == [], "a next socket before the last one ends asks nothing"


def test_minutes_in_doubt_of_more_than_a_page_are_told_again_page_by_page() -> None:
    feed = MarketFeed(find_market("binance-spot"), Pace(), page_minutes=10)
    end_ms = START_MS + 60 * MINUTE_MS
    feed.follow(SYMBOL, START_MS, end_ms)
    feed.minutes[SYMBOL].adopt_stored([], end_ms)
    assert ask_all(feed, end_ms, range(START_MS, end_ms, MINUTE_MS), for_s=50) == [45, 55]


def ask_all(feed: MarketFeed, now_ms: int, has: Collection[int], for_s: int = 300) -> list[int]:
    """Answer what is asked by what the exchange has; return the beginnings of the questions, in minutes."""
    begun, verdicts = [], []
    for _ in range(for_s):
        now_ms += SECOND
        for ask in feed.asks(now_ms):
            begun.append((ask.start_ms - START_MS) // MINUTE_MS)
            stamps = [ts_ms for ts_ms in has if ask.start_ms <= ts_ms < ask.end_ms]
            rows = LiveKline.rows([kline_of(SYMBOL, ts_ms) for ts_ms in stamps])
            to_write, found = feed.answer(ask, rows, now_ms)
            for row in to_write:
                feed.keep(row, now_ms)
            verdicts += found
    for verdict in verdicts:
        feed.declare_hole(verdict, now_ms)
    return begun


def test_what_comes_behind_an_outage_longer_than_a_page_is_asked_for_and_the_outage_is_holes() -> None:
    feed = MarketFeed(find_market("binance-spot"), Pace(), page_minutes=10)
    feed.follow(SYMBOL, START_MS, START_MS + 35 * MINUTE_MS)
    there = range(START_MS + 25 * MINUTE_MS, START_MS + 60 * MINUTE_MS, MINUTE_MS)
    begun = ask_all(feed, START_MS + 35 * MINUTE_MS, there)
    assert begun[:3] == [0, 10, 20]
    minutes = feed.minutes[SYMBOL]
    assert sorted(minutes.holes) == [START_MS + minute * MINUTE_MS for minute in range(25)]
    assert minutes.settled_until_ms > START_MS + 35 * MINUTE_MS


@pytest.mark.parametrize("is_stored", [False, True])
def test_before_the_first_candle_of_a_young_instrument_there_are_no_holes(is_stored: bool) -> None:
    feed = MarketFeed(find_market("binance-spot"), Pace(), page_minutes=1000)
    end_ms, first_ms = START_MS + 60 * MINUTE_MS, START_MS + 25 * MINUTE_MS
    hole_ms = first_ms + 9 * MINUTE_MS
    feed.follow(SYMBOL, START_MS, end_ms, first_candle_ms=first_ms if is_stored else 2**62)
    if is_stored:
        feed.minutes[SYMBOL].adopt_stored([(START_MS, first_ms), (hole_ms, hole_ms + MINUTE_MS)], end_ms)
    told = []
    for now_ms in (end_ms + 2 * SECOND, end_ms + 130 * SECOND):
        (ask,) = feed.asks(now_ms)
        assert ask.start_ms == START_MS, "asked twice"
        there = [ts_ms for ts_ms in range(first_ms, ask.end_ms, MINUTE_MS) if ts_ms != hole_ms]
        told += answer(feed, ask, *there, now_ms=now_ms)[1]
    assert told == [hole_ms]
    feed.declare_hole(Verdict(SYMBOL, hole_ms, end_ms, now_ms), now_ms)
    minutes = feed.minutes[SYMBOL]
    assert (minutes.hole_count, minutes.settled_until_ms) == (1, end_ms + 2 * MINUTE_MS)


def test_a_symbol_of_which_the_exchange_tells_nothing_for_long_is_silent_until_it_does(feed: MarketFeed) -> None:
    store(feed, START_MS, START_MS + MINUTE_MS)
    silent_ms = START_MS + MINUTE_MS
    for second in range(0, 400, 5):
        now_ms = silent_ms + second * SECOND
        for ask in feed.asks(now_ms):
            answer(feed, ask, now_ms=now_ms)
        assert feed.silent_symbols(now_ms) == ({SYMBOL: silent_ms} if second >= 240 else {})
    store(feed, silent_ms + 5 * MINUTE_MS, now_ms)
    assert feed.silent_symbols(now_ms) == {}


def test_while_the_exchange_does_not_answer_nothing_is_silent(feed: MarketFeed) -> None:
    for minute in range(10):
        now_ms = START_MS + minute * MINUTE_MS
        for ask in feed.asks(now_ms):
            feed.fail(ask, now_ms)
        assert feed.silent_symbols(now_ms) == {}


def test_past_minutes_are_no_holes_while_the_exchange_has_nothing_later() -> None:
    feed = MarketFeed(find_market("binance-spot"), Pace(), page_minutes=10)
    feed.follow(SYMBOL, START_MS, START_MS + 35 * MINUTE_MS)
    begun = ask_all(feed, START_MS + 35 * MINUTE_MS, range(0))
    assert {0, 10, 20} <= set(begun)
    assert not feed.minutes[SYMBOL].holes


def test_holes_of_more_than_a_page_are_all_asked_for_again_page_by_page() -> None:
    feed = MarketFeed(find_market("binance-spot"), Pace(), page_minutes=10)
    end_ms = START_MS + 35 * MINUTE_MS
    feed.follow(SYMBOL, START_MS, end_ms)
    feed.minutes[SYMBOL].adopt_stored([], end_ms)
    for minute in (0, 3, 12, 31):
        feed.minutes[SYMBOL].holes.add(START_MS + minute * MINUTE_MS)
    feed._recheck_at_ms[SYMBOL] = end_ms
    stored = range(START_MS, end_ms + 60 * MINUTE_MS, MINUTE_MS)
    assert ask_all(feed, end_ms, stored, for_s=50) == [20, 30, 0, 12], "first what may have been revised"
    assert not feed.minutes[SYMBOL].holes, "all had come after all"


def test_an_exchange_that_refuses_is_left_alone_as_long_as_it_asks(feed: MarketFeed) -> None:
    now_ms = START_MS + MINUTE_MS + 8 * SECOND
    (ask,) = feed.asks(now_ms)
    feed.fail(ask, now_ms, wait_ms=600 * SECOND)
    assert feed.asks(now_ms + 599 * SECOND) == []
    assert len(feed.asks(now_ms + 600 * SECOND)) == 1


def test_an_exchange_that_is_out_is_asked_one_question_at_a_time_and_at_most_two_a_second() -> None:
    feed = MarketFeed(find_market("binance-spot"), Pace(), page_minutes=1000)
    for number in range(300):
        feed.follow(f"S{number}USDT", START_MS, START_MS)
    asked_at = []
    for now_ms in range(START_MS + MINUTE_MS, START_MS + 20 * MINUTE_MS, 100):
        asks = feed.asks(now_ms)
        asked_at += [now_ms] * len(asks)
        for ask in asks:
            feed.fail(ask, now_ms)
    after_the_first = np.array(asked_at[4:])
    assert len(np.unique(after_the_first)) == len(after_the_first)
    assert np.diff(after_the_first).min() >= 500
    assert len(asked_at) < 100


def test_answers_outside_of_what_was_asked_and_the_forming_minute_are_left_out(feed: MarketFeed) -> None:
    now_ms = START_MS + MINUTE_MS + 8 * SECOND
    (ask,) = feed.asks(now_ms)
    rows, _ = answer(feed, ask, START_MS - MINUTE_MS, START_MS, START_MS + MINUTE_MS, now_ms=now_ms)
    assert [row.kline.ts_open_ms for row in rows] == [START_MS]


def test_an_answer_without_rows_is_asked_for_again_with_growing_pauses(feed: MarketFeed) -> None:
    empty = CandleRows.join([])
    now_ms, asked_at = START_MS + MINUTE_MS, []
    while now_ms < START_MS + 30 * MINUTE_MS:
        now_ms += SECOND
        for ask in feed.asks(now_ms):
            feed.answer(ask, empty, now_ms)
            asked_at.append(now_ms)
    pauses = np.diff(asked_at) // SECOND
    assert pauses[:6].tolist() == [1, 2, 4, 8, 16, 32]
    assert pauses.max() == 120


def row(ts_ms: int, version: int = 0, source: str = "websocket") -> LiveRow:
    return LiveRow(Instrument(market_id=1, symbol=SYMBOL), kline_of(SYMBOL, ts_ms, version), source)  # type: ignore[arg-type]


def test_a_batch_is_flushed_when_its_first_row_is_200_ms_old_or_it_is_full() -> None:
    buffer = RowBuffer(Pace(), batch_rows=3)
    buffer.add(row(START_MS), START_MS)
    assert buffer.take(START_MS + 199) == []
    assert len(buffer.take(START_MS + 200)) == 1
    buffer.kept()
    for minute in range(4):
        buffer.add(row(START_MS + minute * MINUTE_MS), START_MS)
    assert len(buffer.take(START_MS)) == 3
    assert buffer.take(START_MS + SECOND) == [], "one batch at a time"


def test_versions_of_a_minute_go_in_their_order_into_batches_of_their_own() -> None:
    buffer = RowBuffer(Pace())
    rows = [row(START_MS), row(START_MS, 1, "rest"), row(START_MS, 2), row(START_MS + MINUTE_MS)]
    for one in rows:
        buffer.add(one, START_MS)
    batches = []
    while batch := buffer.take(START_MS + SECOND):
        batches.append(batch)
        buffer.kept()
    assert batches == [[rows[0], rows[3]], [rows[1]], [rows[2]]]


def test_a_failed_batch_is_tried_again_after_growing_pauses_and_first() -> None:
    buffer = RowBuffer(Pace())
    buffer.add(row(START_MS), START_MS)
    assert buffer.take(START_MS + 200)
    buffer.failed(START_MS + 200)
    buffer.add(row(START_MS + MINUTE_MS), START_MS)
    assert buffer.take(START_MS + 600) == []
    assert [one.kline.ts_open_ms for one in buffer.take(START_MS + 700)] == [START_MS, START_MS + MINUTE_MS]


def test_beyond_its_room_the_oldest_rows_are_given_back() -> None:
    buffer = RowBuffer(Pace(), most_rows=2)
    given_back = [buffer.add(row(START_MS + minute * MINUTE_MS), START_MS) for minute in range(3)]
    assert given_back == [[], [], [row(START_MS)]]
