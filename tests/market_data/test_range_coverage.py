"""The holes of a range as the bars of a timeframe meet them, against a look at every minute."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candleray.errors import GapsInRange
from candleray.market_data.coverage import missing_ranges
from candleray.market_data.range_coverage import Hole, RangeCoverage, answered
from candleray.markets import Instrument
from candleray.timeframes import MINUTE_MS
from kernels.rollup import rollup

BITCOIN = Instrument(market_id=4, symbol="BTCUSDT")
START = 1_748_736_000_000 // MINUTE_MS  # 2025-06-01
HOUR = 60
DAY = 1440


def coverage_of(minutes: list[int], first: int, end: int, bar_minutes: int = 1) -> RangeCoverage:
    """The coverage of minutes `[first, end)` by candles at these minutes, all counted from `START`."""
    stamps = (np.array(minutes, np.int64) + START) * MINUTE_MS
    asked = (first + START) * MINUTE_MS, (end + START) * MINUTE_MS
    stored = int(stamps[0]), int(stamps[-1]) + MINUTE_MS
    missing = missing_ranges(stamps, *answered(asked, stored))
    return RangeCoverage.of(missing, asked, stored, bar_minutes * MINUTE_MS)


def holed(*stretches: tuple[int, int]) -> list[int]:
    return [minute for first, end in stretches for minute in range(first, end)]


def test_a_whole_range_has_nothing_to_say():
    coverage = coverage_of(holed((0, 3 * DAY)), DAY, 2 * DAY, HOUR)
    assert (coverage.bars, coverage.notes, coverage.longer_than(0)) == (24, (), [])


def test_a_hole_is_told_with_its_times_and_what_there_is():
    coverage = coverage_of(holed((0, DAY), (4 * DAY, 5 * DAY)), 0, 5 * DAY, HOUR)
    assert coverage.bars == 48
    assert coverage.notes == (
        "candles: there are 2,880 of the range's 7,200 minutes (40.00 %), which make 48 bars",
        "holes: 4,320 minutes are missing in 1 hole; the longest is 4,320 minutes (3.0 days) from "
        "2025-06-02T00:00:00Z to 2025-06-05T00:00:00Z",
    )


def test_a_range_that_reaches_past_the_candles_says_where_they_begin_and_end():
    coverage = coverage_of(holed((DAY, 2 * DAY)), 0, 4 * DAY, HOUR)
    assert coverage.longer_than(0) == []
    assert coverage.notes == (
        "candles: there are 1,440 of the range's 5,760 minutes (25.00 %), which make 24 bars; they begin at "
        "2025-06-02T00:00:00Z, after the range does; they end at 2025-06-03T00:00:00Z, before the range does",
    )


def test_a_hole_at_an_end_of_the_range_counts_where_there_are_candles_beyond():
    coverage = coverage_of(holed((0, 10), (3 * DAY, 4 * DAY)), DAY, 4 * DAY, HOUR)
    [hole] = coverage.longer_than(24)
    assert (hole.minutes, hole.bars_before, coverage.bars) == (2 * DAY, 0, 24)


def test_as_long_as_the_limit_is_not_too_long():
    assert not coverage_of(holed((0, 10), (10 + DAY, 3 * DAY)), 0, 3 * DAY).longer_than(24)
    assert coverage_of(holed((0, 10), (11 + DAY, 3 * DAY)), 0, 3 * DAY).longer_than(24)


def test_single_candles_that_make_no_bar_do_not_divide_a_hole():
    minutes = holed((0, DAY), *((day * DAY, day * DAY + 1) for day in range(2, 9)), (9 * DAY, 10 * DAY))
    [hole] = coverage_of(minutes, 0, 10 * DAY, HOUR).longer_than(24)
    assert (hole.minutes, hole.bars_before) == (8 * DAY - 7, 24)
    assert not coverage_of(minutes, 0, 10 * DAY, 1).longer_than(24)


def test_a_long_hole_is_refused_with_its_times_its_minutes_and_the_command_that_fills_it():
    coverage = coverage_of(holed((0, DAY), (4 * DAY, 5 * DAY), (8 * DAY, 9 * DAY)), 0, 9 * DAY, HOUR)
    with pytest.raises(GapsInRange) as caught:
        coverage.require_no_gap(BITCOIN, 24)
    assert caught.value.message == (
        "bybit-futures BTCUSDT has no candles for 4,320 minutes (3.0 days) from 2025-06-02T00:00:00Z to "
        "2025-06-05T00:00:00Z: a hole of more than 24 h inside the range; 2 holes are that long, with 8,640 "
        "minutes. Fetch the minutes with `candleray backfill --market bybit-futures --symbol BTCUSDT "
        "--start 2025-06-02T00:00:00Z --end 2025-06-09T00:00:00Z`, or answer over the holes with "
        '"allow_gaps": true'
    )
    assert [problem.field for problem in caught.value.problems] == ["time_range"] * 2
    coverage.require_no_gap(BITCOIN, 72)


stretches = st.lists(st.tuples(st.integers(1, 200), st.integers(1, 90)), min_size=1, max_size=6)


@settings(max_examples=300, deadline=None)
@given(stretches, st.sampled_from([1, 5, 60]), st.integers(-100, 300), st.integers(1, 900))
def test_bars_and_holes_are_those_of_a_look_at_every_minute(runs, bar_minutes, first, length):
    minutes, at = [], 0
    for hole, there in runs:
        at += hole
        minutes += range(at, at + there)
        at += there
    end = first + length
    coverage = coverage_of(minutes, first, end, bar_minutes)
    stamps, _ = rollup((np.array(minutes) + START) * MINUTE_MS, np.ones((5, len(minutes))), bar_minutes)
    bars = [t for t in (stamps // MINUTE_MS - START).tolist() if first <= t and t + bar_minutes <= end]
    lost = [t for t in range(max(first, minutes[0]), min(end, minutes[-1] + 1)) if t not in set(minutes)]
    assert (coverage.bars, coverage.minutes_missing) == (len(bars), len(lost))
    assert coverage.minutes_there == sum(first <= t < end for t in minutes)
    by_bars: dict[int, list[int]] = {}
    for minute in lost:
        by_bars.setdefault(sum(t + bar_minutes <= minute for t in bars), []).append(minute)
    expected = [
        Hole((chosen[0] + START) * MINUTE_MS, (chosen[-1] + 1 + START) * MINUTE_MS, len(chosen), before)
        for before, chosen in sorted(by_bars.items())
    ]
    assert [Hole(*row) for row in coverage.holes.tolist()] == expected
