"""Kinds of faults and their schedule: all of the table, each as it says, drawn by a seed."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from candleray.errors import InvalidInput
from candleray.markets import Market, find_market
from candleray.simulator.faults.fault import Fault, fault_kinds, find_kind
from candleray.simulator.faults.fault_book import FaultBook
from candleray.simulator.faults.fault_schedule import FaultSchedule
from candleray.simulator.generated_candles import GeneratedCandles
from candleray.simulator.kline_frames import closed_frame
from candleray.simulator.stream_dialect import LEFT_OUT, KlineFrame
from candleray.simulator.venue_record import VenueRecord
from candleray.simulator.venues import simulated_markets, simulated_venues
from candleray.timeframes import DAY_MS, MINUTE_MS
from serve_apps.simulator import Faults

SYMBOLS = ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
SPOT = find_market("binance-spot")
T = 1_750_600_020_000
"""A full minute."""
HOURS = 60 * MINUTE_MS


def record_with(*faults: Any) -> VenueRecord:
    """A record with faults of Binance spot, each `(kind, start_ms, more of FaultBook.add)`."""
    book = FaultBook(T, lambda _: SYMBOLS)
    for name, start_ms, more in faults:
        kind = find_kind(name)
        book.add(kind, SPOT, "BTCUSDT" if kind.is_of_symbol else None, start_ms, **more)
    return VenueRecord(GeneratedCandles(symbols=SYMBOLS), book)


def frames_of(record: VenueRecord, *minutes: int) -> list[KlineFrame]:
    """The closed frames of some minutes of BTCUSDT, in the order in which they are sent."""
    rules = simulated_venues()["binance"].streams.rules["spot"]
    frames = []
    for ts in minutes:
        candle = record.undisturbed(SPOT, "BTCUSDT", ts)
        assert candle is not None
        frames += record.change_frames(SPOT, "BTCUSDT", [closed_frame(SPOT, rules, "BTCUSDT", candle)])
    return sorted(frames, key=lambda frame: frame.at_ms)


def closes(record: VenueRecord, now_ms: int, minutes: int = 5) -> dict[int, float]:
    rows = record.view(now_ms).closed(SPOT, "BTCUSDT", T, T + minutes * MINUTE_MS)
    return dict(zip(rows.ts_open_ms.tolist(), rows.values[3].tolist(), strict=True))


def test_a_day_is_shown_with_its_faults_though_no_stream_has_come_to_it() -> None:
    def shown() -> VenueRecord:
        schedule = FaultSchedule(3, {"outage": 60})
        return VenueRecord(GeneratedCandles(symbols=SYMBOLS), FaultBook(T, lambda _: SYMBOLS, schedule))

    def stamps(record: VenueRecord) -> list[int]:
        rows = record.view(T + DAY_MS - 1).closed(SPOT, "BTCUSDT", T, T + DAY_MS)
        return [int(ts_ms) for ts_ms in rows.ts_open_ms]

    streamed, unstreamed = shown(), shown()
    streamed.book.prepare(SPOT, T + DAY_MS - 1)
    assert stamps(unstreamed) == stamps(streamed)
    assert len(stamps(streamed)) < DAY_MS // MINUTE_MS - 1


# Kinds


def test_every_fault_of_the_table_that_is_the_venues_to_make_is_there():
    numbers = {kind.number for kind in fault_kinds().values()}
    assert numbers == {*range(1, 27), 33, 34}


@pytest.mark.parametrize(
    ("name", "variant", "edits"),
    [
        ("bad_row", 0, {"high": LEFT_OUT}),
        ("bad_row", 1, {"close": None}),
        ("bad_row", 2, {"volume": "NaN"}),
        ("bad_row", 3, {"low": "-1.0"}),
        ("bad_row", 4, {"high": "0.00000001"}),
        ("bad_stamp", 0, {"ts_open": T * 1000}),
        ("bad_stamp", 1, {"ts_open": T + 1_234}),
    ],
)
def test_a_broken_frame_breaks_the_frame_alone(name, variant, edits):
    record, right = record_with((name, T, {"variant": variant})), record_with()
    (frame,) = frames_of(record, T)
    assert (dict(frame.edits), frame.fault) == (edits, name)
    assert closes(record, T + HOURS) == closes(right, T + HOURS)
    assert not frames_of(record, T + MINUTE_MS)[0].edits


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("no_close", [1]),
        ("silent_symbol", []),
        ("late_close", [0, 1]),
        ("swapped", [1, 0]),
        ("repeated", [0, 0, 1]),
        ("revised", [0, 0, 1]),
        ("no_trades", []),
        ("outage", []),
        ("halted", []),
    ],
)
def test_frames_come_late_twice_swapped_or_never(name, sent):
    frames = frames_of(record_with((name, T, {})), T, T + MINUTE_MS)
    assert [(frame.candle.ts_open_ms - T) // MINUTE_MS for frame in frames] == sent


def test_the_closed_frame_comes_half_a_minute_late():
    late, usual = (frames_of(record, T)[0].at_ms for record in (record_with(("late_close", T, {})), record_with()))
    assert late - usual == 30_000


def test_a_revision_is_shown_by_both_interfaces_at_its_time():
    record = record_with(("revised", T, {}))
    first, second = frames_of(record, T)
    assert (first.version, second.version) == (1, 2)
    assert first.candle.close != second.candle.close
    assert closes(record, T + MINUTE_MS + 1_000)[T] == first.candle.close
    assert closes(record, second.at_ms)[T] == second.candle.close


def test_rest_may_differ_for_good():
    record = record_with(("rest_differs", T, {}))
    (frame,) = frames_of(record, T)
    assert closes(record, T + HOURS)[T] != frame.candle.close
    assert closes(record, T + HOURS) == closes(record_with(), T + HOURS)


def test_minutes_without_a_trade_are_flat_at_the_last_price():
    record = record_with(("no_trades", T, {"lasts_ms": 3 * MINUTE_MS}))
    rows = record.view(T + HOURS).closed(SPOT, "BTCUSDT", T - MINUTE_MS, T + 4 * MINUTE_MS)
    last = rows.values[3, 0]
    assert rows.values[:4, 1:4].tolist() == [[last] * 3] * 4
    assert (
        rows.values[4].tolist()[1:4] == rows.quote_volume.tolist()[1:4] == rows.trades.tolist()[1:4] == [0.0] * 3
    )
    assert rows.values[4, 4] > 0


def test_of_an_outage_some_minutes_appear_an_hour_later_and_others_never():
    record = record_with(("outage", T, {}))
    end_ms = T + 35 * MINUTE_MS
    before = record.view(end_ms + HOURS - 1)
    assert len(before.missing_ms(SPOT, "BTCUSDT", T, end_ms)) == 35
    after = record.view(end_ms + HOURS)
    missing = after.missing_ms(SPOT, "BTCUSDT", T, end_ms)
    assert 20 <= len(missing) <= 25
    assert len(after.closed(SPOT, "BTCUSDT", T, end_ms)) == 35 - len(missing)
    assert not after.missing_ms(SPOT, "BTCUSDT", end_ms, end_ms + 10 * MINUTE_MS)


def test_a_symbol_halts_is_delisted_or_is_new():
    record = record_with(("halted", T, {}), ("listed", T, {}))
    listing = {each.symbol: each for each in record.view(T).instruments(SPOT)}
    assert not listing["BTCUSDT"].is_tradable
    assert record.view(T + 10 * MINUTE_MS).missing_ms(SPOT, "BTCUSDT", T, T + HOURS) == [
        T + n * MINUTE_MS for n in range(10)
    ]
    (new,) = set(listing) - set(SYMBOLS)
    rows = record.view(T).candles(SPOT, new, T - 2 * HOURS, T)
    assert (rows.ts_open_ms[0], len(rows)) == (T - 50 * MINUTE_MS, 50)
    delisted = record_with(("delisted", T, {})).view(T).instruments(SPOT)
    assert [each.symbol for each in delisted] == ["ETHUSDT", "SOLUSDT"]


# The schedule


def days(schedule: FaultSchedule, day: int = 0) -> dict[Market, list[Fault]]:
    return {market: schedule.day(market, SYMBOLS, T, day) for market in simulated_markets()}


def test_each_kind_comes_so_often_a_day_over_all_markets():
    drawn = days(FaultSchedule.of_all(7, 20))
    counts = Counter(fault.kind.name for faults in drawn.values() for fault in faults)
    assert counts.keys() == fault_kinds().keys()
    assert min(counts.values()) >= 20
    for market, faults in drawn.items():
        assert all(T <= fault.start_ms < T + DAY_MS and fault.kind.is_at(market) for fault in faults)
        of_market = [fault for fault in faults if fault.symbol is None]
        assert all(one.end_ms <= next_.start_ms for one, next_ in pairwise(of_market))


def test_a_seed_draws_the_same_faults_and_another_others():
    def drawn(seed: int, day: int = 0) -> list[Any]:
        faults = days(FaultSchedule.of_all(seed, 5), day)
        return [(f.kind.name, f.symbol, f.start_ms, f.variant) for each in faults.values() for f in each]

    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)
    assert drawn(7, day=1) != [(*one[:2], one[2] + DAY_MS, one[3]) for one in drawn(7)]


def test_a_day_that_is_too_short_for_its_faults_is_told():
    with pytest.raises(InvalidInput, match="a day has 1440: ask for fewer a day"):
        FaultSchedule.of_all(7, 80)


def test_the_book_draws_day_after_day_and_finds_what_reaches_into_a_stretch():
    book = FaultBook(T, lambda _: SYMBOLS, FaultSchedule.of_all(7, 20))
    book.prepare(SPOT, T + 2 * DAY_MS)
    begun = [
        fault
        for start_ms in range(T, T + 2 * DAY_MS, HOURS)
        for fault in book.beginning(SPOT, start_ms, start_ms + HOURS)
    ]
    assert len(begun) == sum(book.begun.values()) > 250
    for at_ms in np.linspace(T, T + 2 * DAY_MS, 50, dtype=int):
        assert book.on(SPOT, int(at_ms)) == [fault for fault in begun if fault.is_on(int(at_ms))]


# As text


def test_schedules_are_read_from_text():
    every = Faults.parse("seeded:7,times_a_day=3,unavailable=50").schedule()
    assert every is not None
    assert (every.seed, set(every.times_a_day.values())) == (7, {3})
    some = Faults.parse("reset=24, stall=5, seeded=3").schedule()
    assert some is not None
    assert (some.seed, some.times_a_day) == (3, {"reset": 24, "stall": 5})
    assert Faults.parse("unavailable=50").schedule() is None
    for text in ("reset=0", "seeded:much", "outage=500"):
        with pytest.raises(InvalidInput, match=r"kinds: rate_limited.*outage"):
            Faults.parse(text)
