"""The outbox of the stream: minutes in their order, what is still to come first, nothing twice."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from candleray.exchanges.stream import LiveKline
from candleray.feeds.candle_stream import (
    WAITING_PER_INSTRUMENT,
    StreamOutbox,
    minute_of,
    stream_of,
)
from candleray.feeds.minutes import Minutes
from candleray.feeds.pace import Pace
from candleray.feeds.row_buffer import LiveRow
from candleray.markets import Instrument
from candleray.timeframes import MINUTE_MS

BTC = Instrument(market_id=1, symbol="BTCUSDT")
PATIENCE_MS = 20_000


def row(minute: int, close: float = 2.0) -> LiveRow:
    return LiveRow(BTC, kline(minute, close), "websocket")


def kline(minute: int, close: float = 2.0) -> LiveKline:
    return LiveKline("BTCUSDT", minute * MINUTE_MS, 2.0, 3.0, 1.0, close, 5.0)


def minutes_from(entries: Sequence[object]) -> list[int]:
    return [minute_of(entry.entry_id) // MINUTE_MS for entry in entries]  # type: ignore[attr-defined]


@pytest.fixture
def outbox() -> StreamOutbox:
    return StreamOutbox(PATIENCE_MS)


def all_came(instrument: Instrument) -> int:
    return 2**62


def expecting(minute: int):  # type: ignore[no-untyped-def]
    return lambda instrument: minute * MINUTE_MS


def test_a_newer_minute_waits_for_an_older_one_that_may_still_come(outbox: StreamOutbox) -> None:
    outbox.add([row(11)], ingested_ms=1, now_ms=0)
    assert outbox.batch(expecting(10), now_ms=PATIENCE_MS - 1) == []
    outbox.add([row(10)], ingested_ms=2, now_ms=PATIENCE_MS - 1)
    assert minutes_from(outbox.batch(expecting(12), now_ms=PATIENCE_MS - 1)) == [10, 11]


def test_it_does_not_wait_for_ever_and_the_late_one_stays_out(outbox: StreamOutbox) -> None:
    outbox.add([row(11)], ingested_ms=1, now_ms=0)
    batch = outbox.batch(expecting(10), now_ms=PATIENCE_MS)
    assert minutes_from(batch) == [11]
    outbox.done(batch)
    outbox.add([row(10)], ingested_ms=2, now_ms=PATIENCE_MS)
    assert len(outbox) == 0


def test_a_minute_that_the_exchange_does_not_have_is_not_waited_for() -> None:
    minutes = Minutes("BTCUSDT", 10 * MINUTE_MS, Pace())
    assert minutes.first_expected_ms() == 10 * MINUTE_MS
    minutes.receive(kline(11))
    minutes.answered(10 * MINUTE_MS, 12 * MINUTE_MS, [kline(11)], asked_ms=0, now_ms=0)
    assert minutes.first_expected_ms() == 11 * MINUTE_MS
    minutes.acknowledge(11 * MINUTE_MS)
    assert minutes.first_expected_ms() == 12 * MINUTE_MS


def test_a_minute_enters_with_the_values_that_it_had_first(outbox: StreamOutbox) -> None:
    outbox.add([row(10, close=2.0)], ingested_ms=1, now_ms=0)
    outbox.add([row(10, close=2.5)], ingested_ms=2, now_ms=0)
    batch = outbox.batch(all_came, now_ms=0)
    assert [(entry.fields["close"], entry.fields["ingested_at"]) for entry in batch] == [("2.0", "1")]
    outbox.done(batch)
    outbox.add([row(10, close=2.5)], ingested_ms=3, now_ms=0)
    assert len(outbox) == 0


def test_a_minute_that_somebody_else_brought_first_enters_from_the_store(outbox: StreamOutbox) -> None:
    outbox.add([row(10)], ingested_ms=1, now_ms=0)
    outbox.add([row(10)], ingested_ms=2, now_ms=0, are_first=False)
    assert not outbox.incomplete, "its own first version waits to be told"
    outbox.add([row(11)], ingested_ms=3, now_ms=0, are_first=False)
    assert outbox.incomplete[BTC.key].until_ms == 12 * MINUTE_MS


def test_beyond_what_waits_the_stream_is_completed_up_to_the_newest(outbox: StreamOutbox) -> None:
    outbox.add([row(minute) for minute in range(WAITING_PER_INSTRUMENT + 1)], ingested_ms=1, now_ms=0)
    assert len(outbox) == 0
    (one,) = outbox.to_complete(all_came, now_ms=0)
    assert one.until_ms == (WAITING_PER_INSTRUMENT + 1) * MINUTE_MS
    outbox.add([row(WAITING_PER_INSTRUMENT + 1)], ingested_ms=1, now_ms=0)
    assert outbox.batch(all_came, now_ms=0) == []
    outbox.complete(BTC, one.until_ms + MINUTE_MS, now_ms=0)
    outbox.completed(one, one.until_ms - MINUTE_MS, 0)
    assert outbox.incomplete, "more was given up meanwhile"
    outbox.completed(one, one.until_ms, WAITING_PER_INSTRUMENT * MINUTE_MS)
    assert minutes_from(outbox.batch(all_came, now_ms=0)) == [WAITING_PER_INSTRUMENT + 1]


def test_a_stream_is_completed_once_nothing_before_is_to_come_any_more_or_after_a_while(
    outbox: StreamOutbox,
) -> None:
    outbox.complete(BTC, until_ms=12 * MINUTE_MS, now_ms=0)
    assert outbox.to_complete(expecting(10), now_ms=PATIENCE_MS - 1) == []
    assert len(outbox.to_complete(expecting(12), now_ms=0)) == 1
    assert len(outbox.to_complete(expecting(10), now_ms=PATIENCE_MS)) == 1


def test_a_stream_that_lost_what_the_server_had_taken_is_completed(outbox: StreamOutbox) -> None:
    outbox.complete(BTC, until_ms=10 * MINUTE_MS, now_ms=0)
    outbox.completed(outbox.incomplete[BTC.key], 10 * MINUTE_MS, 9 * MINUTE_MS)
    outbox.add([row(10)], ingested_ms=1, now_ms=0)
    name = stream_of(BTC)
    assert outbox.held_to({name: f"{9 * MINUTE_MS}-0"}, now_ms=0)
    assert not outbox.held_to({name: f"{8 * MINUTE_MS}-0"}, now_ms=0)
    assert not outbox.held_to({name: None}, now_ms=0)
    assert outbox.incomplete[BTC.key].until_ms == 11 * MINUTE_MS
