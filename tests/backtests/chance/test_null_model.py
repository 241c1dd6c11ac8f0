"""The numbers of a null model: its p with what is sure of it, percentiles and histogram."""

from __future__ import annotations

import math

import pytest

from candleray.backtests.chance.luck import History
from candleray.backtests.chance.null_model import NullModel, NullSearch, null_model, wilson
from candleray.backtests.request import BacktestRequest

REQUEST = BacktestRequest.model_validate(
    {
        "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
        "timeframe": "1h",
        "time_range": {"start": "2025-01-01", "end": "2025-02-01"},
        "indicators": [{"id": "sma"}],
    }
)


def told(best: float | None, *luck: float | None) -> NullModel:
    search = NullSearch(
        request=REQUEST, model=History.BLOCKS, seed=0, first=0, best=best, variant_index=0, strategy={}
    )
    return null_model(search, luck)


def test_the_candles_themselves_count_as_one_history_that_reaches_their_best():
    assert told(5.0, 1.0, 5.0, 9.0, 2.0).p == 3 / 5
    assert told(9.5, 1.0, 5.0, 9.0, 2.0).p == 1 / 5


@pytest.mark.parametrize(("reached", "of"), [(0, 200), (10, 200), (100, 200), (200, 200), (1, 3)])
def test_the_bounds_are_the_shares_from_which_the_count_is_just_not_surprising(reached: int, of: int):
    share = reached / of
    for bound in wilson(reached, of):
        if bound not in (0.0, 1.0):
            assert abs(share - bound) == pytest.approx(1.959964 * math.sqrt(bound * (1 - bound) / of), rel=1e-5)
    low, high = wilson(reached, of)
    assert 0 <= low <= share <= high <= 1


def test_percentiles_are_the_nearest_histories_and_bins_hold_all():
    found = told(0.0, *[float(number) for number in range(100, 0, -1)])
    assert found.percentiles == {"5": 5.0, "25": 25.0, "50": 50.0, "75": 75.0, "95": 95.0}
    assert found.histogram is not None
    assert (len(found.histogram.edges), found.histogram.counts) == (21, (5,) * 20)
    assert (found.histogram.edges[0], found.histogram.edges[-1]) == (1.0, 100.0)
    assert told(0.0, 2.0, 2.0).histogram.counts == (2, *[0] * 19)  # type: ignore[union-attr]


def test_histories_without_a_best_reach_nothing_and_stand_in_no_picture():
    found = told(-1.0, None, 3.0, None)
    assert (found.reached, found.p) == (1, 2 / 4)
    assert found.histogram is not None
    assert sum(found.histogram.counts) == 1


def test_words_say_how_often_and_what_luck_reaches():
    assert told(4.0, 1.0, 2.0, 3.0, 5.0).summary == (
        "Luck alone reached the best of this search, Total Return [%] 4.00, in 1 of 4 shuffles of these candles, "
        "a day of bars at a time: p 0.4, and 0.046 to 0.7 in 95 of 100 cases.",
        "In half of them it reached 2.00 or more, in one of twenty 5.00 or more.",
    )
