"""Minutes that may have been revised while nobody listened: REST tells them again, and never an older version."""

from __future__ import annotations

import pytest

from candleray.exchanges.stream import LiveKline
from candleray.feeds.market_feed import Ask, MarketFeed
from candleray.feeds.pace import Pace
from candleray.feeds.row_buffer import LiveRow
from candleray.markets import find_market
from candleray.timeframes import MINUTE_MS
from tests.support.feeds.random_market import START_MS, kline_of

SECOND = 1000
SYMBOL = "AAAUSDT"


@pytest.fixture
def feed() -> MarketFeed:
    """A feed that has every minute of its first hour, and a socket."""
    feed = MarketFeed(find_market("binance-spot"), Pace(), page_minutes=1000)
    feed.follow(SYMBOL, START_MS, START_MS)
    feed.serve([SYMBOL], START_MS)
    feed.minutes[SYMBOL].adopt_stored([], minute(60))
    return feed


def minute(number: int) -> int:
    return START_MS + number * MINUTE_MS


def answer(feed: MarketFeed, ask: Ask, version: int = 0) -> list[LiveRow]:
    """Answer a question with all that it asks for; return the rows to be written."""
    rows = LiveKline.rows([kline_of(SYMBOL, ts, version) for ts in range(ask.start_ms, ask.end_ms, MINUTE_MS)])
    to_write, _ = feed.answer(ask, rows, ask.asked_ms + SECOND)
    for row in to_write:
        feed.keep(row, ask.asked_ms + SECOND)
    return to_write


def test_after_a_long_absence_the_quarter_hour_before_it_is_told_again_too(feed: MarketFeed) -> None:
    feed.desert([SYMBOL], minute(20))
    feed.serve([SYMBOL], minute(60))
    (ask,) = feed.asks(minute(60))
    assert (ask.start_ms, ask.end_ms) == (minute(5), minute(60))


def test_a_second_absence_before_the_answer_to_the_first_forgets_nothing(feed: MarketFeed) -> None:
    for lost, found in ((20, 21), (50, 60)):
        feed.desert([SYMBOL], minute(lost))
        feed.serve([SYMBOL], minute(found))
    (ask,) = feed.asks(minute(60))
    assert (ask.start_ms, ask.end_ms) == (minute(5), minute(60))
    assert len(answer(feed, ask)) == 55
    assert feed.asks(minute(60) + 2 * SECOND) == []


def test_a_start_has_told_again_what_was_stored_in_the_last_quarter_hour_of_the_process_before(
    feed: MarketFeed,
) -> None:
    feed.follow(SYMBOL, START_MS, minute(60), heard_until_ms=minute(30))
    feed.minutes[SYMBOL].adopt_stored([(minute(30), minute(60))], minute(60))
    (ask,) = feed.asks(minute(60))
    assert (ask.start_ms, ask.end_ms) == (minute(15), minute(60))


def test_an_answer_that_was_under_way_as_the_socket_told_a_revision_does_not_undo_it(feed: MarketFeed) -> None:
    """The exchange had written it before."""
    first = feed.tell(kline_of(SYMBOL, minute(60)), minute(61))
    assert first is not None
    feed.keep(first, minute(61))
    feed.desert([SYMBOL], minute(61) + SECOND)
    feed.serve([SYMBOL], minute(61) + 2 * SECOND)
    (ask,) = feed.asks(minute(61) + 6 * SECOND)
    revision = feed.tell(kline_of(SYMBOL, minute(60), 1), minute(61) + 7 * SECOND)
    assert revision is not None
    assert minute(60) not in [row.kline.ts_open_ms for row in answer(feed, ask)]
    assert feed.tell(kline_of(SYMBOL, minute(60), 1), minute(61) + 9 * SECOND) is None, "the newest is known"


def test_the_lag_is_that_of_the_first_version_alone(feed: MarketFeed) -> None:
    for version, after_s in ((0, 1), (1, 40)):
        row = feed.tell(kline_of(SYMBOL, minute(60), version), minute(61) + after_s * SECOND)
        assert row is not None
        feed.keep(row, minute(61) + after_s * SECOND)
    lag_ms = feed.lags.quantile_ms(0.99)
    assert lag_ms is not None
    assert lag_ms < 2 * SECOND


def test_a_hole_that_came_as_the_process_before_ended_is_told_to_have_come(feed: MarketFeed) -> None:
    """Stored it was, and the row of the verdict still said that the exchange lacks it."""
    feed.follow(SYMBOL, START_MS, minute(60))
    feed.minutes[SYMBOL].adopt_stored([], minute(60))
    feed.adopt_holes(SYMBOL, [minute(20)], minute(60))
    filled = []
    for second in range(30):
        for ask in feed.asks(minute(60) + second * SECOND):
            stamps = range(ask.start_ms, ask.end_ms, MINUTE_MS)
            to_write, _ = feed.answer(ask, LiveKline.rows([kline_of(SYMBOL, ts) for ts in stamps]), ask.asked_ms)
            filled += [row.kline.ts_open_ms for row in to_write if feed.keep(row, ask.asked_ms)]
    assert filled == [minute(20)]
