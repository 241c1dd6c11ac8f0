"""Gaps: which are asked for when, what closes them, and what makes them holes."""

from __future__ import annotations

import random

import numpy as np
import pytest

from candleray.candles import IntArray
from candleray.feeds.pace import Pace
from candleray.feeds.repair.gaps import MOST, Gap, Gaps, without
from candleray.timeframes import MINUTE_MS

NOW_MS = 1_764_428_400_000
PAGE_MS = 100 * MINUTE_MS
DAY = 1440


def minutes_back(first: int, last: int) -> tuple[int, int]:
    return NOW_MS - first * MINUTE_MS, NOW_MS - last * MINUTE_MS


def stamps(start_ms: int, end_ms: int, *absent_ms: int) -> IntArray:
    every = np.arange(start_ms, end_ms, MINUTE_MS)
    return every[~np.isin(every, absent_ms)]


@pytest.fixture
def gaps() -> Gaps:
    return Gaps(Pace())


def test_the_newest_gap_is_asked_for_first_and_a_long_one_page_by_page(gaps: Gaps) -> None:
    gaps.find("OLD", [minutes_back(9 * DAY, 8 * DAY)], NOW_MS)
    gaps.find("NEW", [minutes_back(450, 200)], NOW_MS)
    asked = []
    for _ in range(3):
        gap = gaps.take(NOW_MS, PAGE_MS)
        assert gap is not None
        assert gaps.take(NOW_MS, PAGE_MS) is None, "one question at a time"
        asked.append((gap.symbol, gap.minutes))
        gaps.answered(gap, stamps(gap.start_ms, gap.end_ms + MINUTE_MS), NOW_MS, NOW_MS)
    assert asked == [("NEW", 100), ("NEW", 100), ("NEW", 50)]
    assert (gaps.closed, gaps.minutes_left) == (250, DAY)


def test_a_gap_that_a_clock_which_was_ahead_has_put_into_the_future_waits(gaps: Gaps) -> None:
    """A question without a minute would be refused, again and again, and hold up all others of the market."""
    gaps.find("A", [(NOW_MS - MINUTE_MS, NOW_MS + 3 * MINUTE_MS)], NOW_MS)
    gaps.find("B", [(NOW_MS + 5 * MINUTE_MS, NOW_MS + 9 * MINUTE_MS)], NOW_MS)
    gap = gaps.take(NOW_MS, PAGE_MS)
    assert gap is not None
    gaps.failed(gap, NOW_MS)
    gaps.forget("A")
    assert gaps.take(NOW_MS + 6 * MINUTE_MS - 1, PAGE_MS) is None
    assert gaps.take(NOW_MS + 6 * MINUTE_MS, PAGE_MS) is not None


def test_a_gap_that_two_scans_find_is_one(gaps: Gaps) -> None:
    assert gaps.find("A", [minutes_back(100, 50)], NOW_MS) == 50
    gaps.take(NOW_MS, PAGE_MS)
    assert gaps.find("A", [minutes_back(120, 40)], NOW_MS) == 30
    assert gaps.find("B", [minutes_back(100, 50)], NOW_MS) == 50


def test_minutes_that_rest_lacks_twice_far_enough_apart_are_holes_and_no_others(gaps: Gaps) -> None:
    start_ms, end_ms = minutes_back(60, 50)
    absent = [start_ms + 2 * MINUTE_MS, start_ms + 3 * MINUTE_MS]
    gaps.find("A", [(start_ms, end_ms)], NOW_MS)
    first = gaps.take(NOW_MS, PAGE_MS)
    assert first is not None
    assert gaps.answered(first, stamps(start_ms, end_ms + MINUTE_MS, *absent), NOW_MS, NOW_MS) == []
    assert gaps.take(NOW_MS + 119_000, PAGE_MS) is None
    again = gaps.take(NOW_MS + 120_000, PAGE_MS)
    assert again == Gap("A", absent[0], absent[1] + MINUTE_MS, NOW_MS + 120_000, NOW_MS)
    verdicts = gaps.answered(again, stamps(end_ms, end_ms + MINUTE_MS), NOW_MS + 121_000, NOW_MS + 121_000)
    assert [one.ts_open_ms for one in verdicts] == absent
    assert {(one.first_asked_ms, one.last_asked_ms) for one in verdicts} == {(NOW_MS, NOW_MS + 121_000)}
    assert (gaps.closed, gaps.done, gaps.minutes_left, gaps.began_ms) == (8, 10, 0, None)


def test_an_answer_without_later_minutes_makes_no_hole(gaps: Gaps) -> None:
    start_ms, end_ms = minutes_back(60, 50)
    gaps.find("A", [(start_ms, end_ms)], NOW_MS)
    for at_ms in range(NOW_MS, NOW_MS + 3_600_000, 130_000):
        gap = gaps.take(at_ms, PAGE_MS)
        assert gap is not None
        assert gaps.answered(gap, stamps(start_ms, start_ms), at_ms, at_ms) == []
    assert gaps.minutes_left == 10


def test_one_later_minute_tells_of_a_hole_longer_than_a_page(gaps: Gaps) -> None:
    start_ms, end_ms = minutes_back(3000, 50)
    gaps.find("A", [(start_ms, end_ms)], NOW_MS)
    found, at_ms, questions = 0, NOW_MS, 0
    while gaps.minutes_left:
        while gap := gaps.take(at_ms, PAGE_MS):
            found += len(gaps.answered(gap, np.array([end_ms]), at_ms, at_ms))
            questions += 1
        at_ms += 120_000
    assert (found, questions) == (2950, 60)


def test_a_question_that_failed_is_asked_again_after_a_pause(gaps: Gaps) -> None:
    gaps.find("A", [minutes_back(60, 50)], NOW_MS)
    gap = gaps.take(NOW_MS, PAGE_MS)
    assert gap is not None
    gaps.failed(gap, NOW_MS)
    assert gaps.take(NOW_MS + 999, PAGE_MS) is None
    assert gaps.take(NOW_MS + 1_000, PAGE_MS) is not None


def test_the_time_that_is_left_follows_from_the_pace_so_far(gaps: Gaps) -> None:
    gaps.find("A", [minutes_back(1100, 100)], NOW_MS)
    assert gaps.eta_ms(NOW_MS) is None
    gap = gaps.take(NOW_MS, PAGE_MS)
    assert gap is not None
    gaps.answered(gap, stamps(gap.start_ms, gap.end_ms + MINUTE_MS), NOW_MS, NOW_MS + 500)
    assert (gaps.minutes_left, gaps.eta_ms(NOW_MS + 500)) == (900, 4_500)


@pytest.mark.parametrize("seed", range(40))
def test_ranges_less_ranges_are_what_sets_of_minutes_say(seed: int) -> None:
    chance = random.Random(seed)
    ranges, known = (
        [(start, start + chance.randrange(1, 12)) for start in range(0, 60, 15)],
        [(start, start + chance.randrange(1, 30)) for start in chance.sample(range(60), seed % 8)],
    )
    left = without(ranges, known)
    minutes = [minute for start, end in left for minute in range(start, end)]
    expected = {minute for start, end in ranges for minute in range(start, end)}
    expected -= {minute for start, end in known for minute in range(start, end)}
    assert minutes == sorted(expected)


def test_of_very_many_gaps_the_newest_are_taken_and_the_next_scan_finds_the_others(gaps: Gaps) -> None:
    ranges = [minutes_back(back + 1, back) for back in range(1, 40_000, 2)]
    assert gaps.find("A", ranges, NOW_MS) == MOST
    assert gaps.find("A", ranges, NOW_MS) == 0
    gap = gaps.take(NOW_MS, PAGE_MS)
    assert gap == Gap("A", *minutes_back(2, 1))
    gaps.answered(gap, stamps(gap.start_ms, gap.end_ms + MINUTE_MS), NOW_MS, NOW_MS)
    assert gaps.find("A", ranges[1:], NOW_MS) == 1
