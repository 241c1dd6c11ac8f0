"""How long a search still takes (R5.1)."""

from __future__ import annotations

import pytest

from candleray.jobs.forecast import Forecast

PHASES = {"planes": 1.0, "stage-a": 5.0, "tables": 1.0, "stage-b": 12.0, "reports": 1.0}


def test_before_anything_is_done_it_takes_what_was_expected():
    assert Forecast(PHASES).left_s("planes", 0.0, 0.0) == 20.0


def test_a_search_that_takes_twice_as_long_goes_on_doing_so():
    """Half of stage-b: 13 of 20 expected seconds took 26."""
    assert Forecast(PHASES).left_s("stage-b", 0.5, 26.0) == pytest.approx(2 * 7.0)


def test_one_small_part_says_nothing_of_the_pace():
    assert Forecast(PHASES).left_s("planes", 0.5, 30.0) == pytest.approx(19.5)


def test_what_former_attempts_did_is_not_left():
    forecast = Forecast(PHASES)
    forecast.shorten("stage-a", 1.0)
    forecast.shorten("stage-b", 0.75)
    assert forecast.left_s("planes", 1.0, 1.0) == pytest.approx(5.0)


def test_nothing_is_left_at_the_end_and_nobody_knows_before_the_beginning():
    assert Forecast(PHASES).left_s("reports", 1.0, 30.0) == 0.0
    assert Forecast(PHASES).left_s("candles", 0.0, 0.0) is None
    assert Forecast({}).left_s("planes", 0.0, 0.0) is None
