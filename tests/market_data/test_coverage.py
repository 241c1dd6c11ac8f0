"""Coverage names every run of missing minutes."""

from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from candleray.market_data.coverage import MissingRun, missing_ranges, missing_runs

MINUTE_MS = 60_000


def stamps(minutes: list[int]) -> np.ndarray:
    return np.array(sorted(minutes), np.int64) * MINUTE_MS


def by_counting(minutes: list[int], start_ms: int, end_ms: int) -> list[int]:
    """Every missing minute of the window, one by one."""
    return [m for m in range(-(-start_ms // MINUTE_MS), -(-end_ms // MINUTE_MS)) if m not in minutes]


@given(
    st.lists(st.integers(0, 60), max_size=60),
    st.integers(-5 * MINUTE_MS, 70 * MINUTE_MS),
    st.integers(-5 * MINUTE_MS, 70 * MINUTE_MS),
)
def test_the_ranges_hold_exactly_the_missing_minutes(minutes: list[int], start_ms: int, end_ms: int) -> None:
    ranges = missing_ranges(stamps(minutes), start_ms, end_ms)
    named = [minute for first, last in ranges // MINUTE_MS for minute in range(first, last)]
    assert named == by_counting(minutes, start_ms, end_ms)


@given(st.lists(st.integers(0, 60), max_size=60))
def test_the_ranges_are_as_few_as_can_be(minutes: list[int]) -> None:
    ranges = missing_ranges(stamps(minutes), 0, 61 * MINUTE_MS)
    assert (ranges[:, 0] < ranges[:, 1]).all()
    assert (ranges[1:, 0] > ranges[:-1, 1]).all(), "two runs that touch are one"


def test_a_window_without_candles_is_one_run() -> None:
    assert missing_runs(stamps([]), 0, 3 * MINUTE_MS) == (
        MissingRun(start=datetime(1970, 1, 1, tzinfo=UTC), end=datetime(1970, 1, 1, 0, 3, tzinfo=UTC), minutes=3),
    )


def test_an_empty_window_misses_nothing() -> None:
    assert missing_runs(stamps([1]), 5 * MINUTE_MS, 5 * MINUTE_MS) == ()


def test_a_run_travels_as_json_in_utc() -> None:
    run = MissingRun.between(0, MINUTE_MS)
    assert run.model_dump(mode="json") == {
        "start": "1970-01-01T00:00:00Z",
        "end": "1970-01-01T00:01:00Z",
        "minutes": 1,
    }
