"""The time that a search still takes."""

from __future__ import annotations

import pytest

from candleray.backtests.phase import Phase
from candleray.jobs.forecast import Forecast

PHASES = {Phase.PLANES: 1.0, Phase.STAGE_A: 5.0, Phase.TABLES: 1.0, Phase.STAGE_B: 12.0, Phase.REPORTS: 1.0}


def test_before_anything_is_done_it_takes_what_was_expected():
    assert Forecast(PHASES).left_s(Phase.PLANES, 0.0, 0.0) == 20.0


def test_a_search_that_takes_twice_as_long_goes_on_doing_so():
    """Half of stage-b: 13 of 20 expected seconds took 26."""
    assert Forecast(PHASES).left_s(Phase.STAGE_B, 0.5, 26.0) == pytest.approx(2 * 7.0)


def test_one_small_part_says_nothing_of_the_pace():
    assert Forecast(PHASES).left_s(Phase.PLANES, 0.5, 30.0) == pytest.approx(19.5)


def test_what_former_attempts_did_is_not_left():
    forecast = Forecast(PHASES)
    forecast.shorten(Phase.STAGE_A, 1.0)
    forecast.shorten(Phase.STAGE_B, 0.75)
    assert forecast.left_s(Phase.PLANES, 1.0, 1.0) == pytest.approx(5.0)


def test_nothing_is_left_at_the_end_and_nobody_knows_before_the_beginning():
    assert Forecast(PHASES).left_s("reports", 1.0, 30.0) == 0.0
    assert Forecast(PHASES).left_s("candles", 0.0, 0.0) is None
    assert Forecast({}).left_s(Phase.PLANES, 0.0, 0.0) is None
