"""Rows that are sent to the instance: steps from one to the next tell candles of another interval."""

from __future__ import annotations

import numpy as np
import pytest

from candleray.errors import BadFile
from candleray.market_data.steps import require_minutes
from candleray.timeframes import MINUTE_MS

START_MS = 1_735_689_600_000
HOUR = 60
EVERY_OTHER_HOUR_TWICE = [0, 2, 4, 6, 7, 8, 10, 12, 14, 16, 18, 20]


def at(*minutes: float) -> np.ndarray:
    return START_MS + (np.array(minutes) * MINUTE_MS).astype(np.int64)


@pytest.mark.parametrize(
    ("minutes", "seconds"),
    [
        ((0, 5, 10), "300"),
        ((HOUR, 0, 2 * HOUR), "3,600"),
        (range(0, 100 * 1440, 1440), "86,400"),
        ([HOUR * hour for hour in EVERY_OTHER_HOUR_TWICE], "7,200"),
        ((0, 2, 4), "120"),
    ],
    ids=["five minutes", "hours out of order", "days", "hours with holes", "no interval of any exchange"],
)
def test_rows_whose_steps_are_multiples_of_more_than_a_minute_are_refused(minutes, seconds):
    with pytest.raises(BadFile, match=f"has candles of {seconds} s by its steps.*together with those between"):
        require_minutes(at(*minutes))


@pytest.mark.parametrize(
    "minutes",
    [(), (0,), (0, HOUR), (0, 1, 2), (0, 60, 180), (0, 60, 61), (0.5, 60.5), (0, 0, 60), (0, 0.25, 0.5, 0.75)],
)
def test_minutes_with_holes_few_rows_and_rows_off_the_minute_are_not_judged_so(minutes):
    require_minutes(at(*minutes))


def test_times_that_no_candle_has_are_left_to_the_screen():
    bounds = np.iinfo(np.int64)
    require_minutes(np.array([bounds.min, 0, START_MS, START_MS + MINUTE_MS, bounds.max]))
