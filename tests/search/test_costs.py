"""Costs of a search, measured on a sample of its grid."""

from __future__ import annotations

import time

import pytest

from candleray.backtests.preflight import Pace
from candleray.backtests.request import BacktestRequest
from candleray.search.costs import (
    Costs,
    StopCosts,
    _base_and_combination_s,
    _Sample,
    _sampled_runs,
    _table_s,
    measure_signals,
    measure_stops,
)
from candleray.search.estimate import describe
from candleray.search.variants import VariantGrid, resolve
from candleray.settings import BacktestSettings, Settings
from tests.support.api.in_process_api import random_walk
from tests.support.searches import bars_over

REQUEST = {
    "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
    "timeframe": "1m",
    "time_range": {"start": "2025-01-02T00:00:00Z", "end": "2025-01-15T00:00:00Z"},
    "indicators": [
        {"id": "sma", "params": {"window": {"start": 2, "stop": 100, "step": 2}}},
        {"id": "rsi", "params": {"window": {"values": [7, 14]}}},
    ],
    "top_k": 10,
}
STOPS = {"sl_pct": {"start": 0.5, "stop": 10, "step": 0.5}, "tp_pct": {"values": [1, 2, 4, 8]}}


def grid_of(**changes) -> VariantGrid:
    return VariantGrid(resolve(BacktestRequest.model_validate({**REQUEST, **changes}), BacktestSettings()))


@pytest.fixture(scope="module")
def minutes():
    return random_walk(15 * 1440)


def costs_of(grid: VariantGrid, minutes) -> Costs:
    bars = bars_over(minutes, grid.request, 200)
    return Costs(measure_signals(bars, grid, 200), measure_stops(bars, grid, 200))


def test_every_part_of_a_search_with_stops_costs_something(minutes):
    costs = costs_of(grid_of(risk=STOPS), minutes)
    assert min(costs.signals.plane_s, costs.signals.variant_s, costs.signals.report_s) > 0
    assert min(costs.stops.table_s, costs.stops.combination_s) > 0
    assert costs.stops.base_s >= 0


def test_a_ranking_by_another_metric_is_told_with_its_price(minutes):
    costs, settings = costs_of(grid_of(rank_by="sharpe_ratio"), minutes), Settings(environment="test")
    grid = grid_of(rank_by="sharpe_ratio")
    (note,) = describe(grid, 18_720, settings, costs, 2, 0.0, Pace()).notes
    times = costs.total_s(grid) / costs.by_total_return().total_s(grid)
    assert times > 1
    assert note.startswith("ranked by Sharpe Ratio: ")
    assert f"core seconds, {times:,.3g} times the " in note
    assert describe(grid_of(), 18_720, settings, costs_of(grid_of(), minutes), 2, 0.0, Pace()).notes == ()


def test_without_stops_there_are_no_tables_and_no_combinations(minutes):
    grid = grid_of()
    costs = costs_of(grid, minutes)
    assert costs.stops == StopCosts()
    assert costs.stage_b_s(grid) == 0
    assert costs.total_s(grid) > costs.stage_a_s(grid) > 0


def test_a_grid_of_any_size_is_measured_without_being_walked(minutes):
    vast = grid_of(
        indicators=[
            {"id": "sma", "params": {"window": {"start": 2, "stop": 1000, "step": 1}}},
            {"id": "ema", "params": {"window": {"start": 2, "stop": 1000, "step": 1}}},
            {"id": "roc", "params": {"window": {"start": 1, "stop": 1000, "step": 1}}},
        ],
        risk=STOPS,
    )
    assert vast.size > 7 * 10**10
    assert costs_of(vast, minutes).total_s(vast) > 600


def test_another_metric_than_the_total_return_costs_its_own_measured_seconds(minutes):
    # Each of one measurement: two at different moments compare the load of the machine.
    stops = {"risk": STOPS, "preselect": "all"}
    by_return, by_ratio = (costs_of(grid_of(**stops, rank_by=one), minutes) for one in (None, "sharpe_ratio"))
    assert (by_return.signals.score_s, by_return.stops.score_s) == (0, 0)
    assert 0 < by_ratio.signals.score_s < by_ratio.signals.variant_s
    assert 0 < by_ratio.stops.score_s < by_ratio.stops.combination_s


@pytest.mark.parametrize("changes", [{}, {"indicators": [{"id": "sma"}]}, {"risk": {"sl_pct": 1}}])
def test_small_grids_are_measured_too(minutes, changes):
    assert costs_of(grid_of(**changes), minutes).total_s(grid_of(**changes)) > 0


def test_the_sample_lies_in_the_grid_and_is_spread_over_it():
    grid = grid_of()
    runs = _sampled_runs(grid, 24, 8)
    assert all(0 <= first < last <= grid.radix.size for first, last in runs)
    assert runs == sorted(runs)
    assert runs[-1][0] > grid.radix.size * 0.8


def test_costs_of_many_levels_follow_from_those_of_a_few():
    assert _table_s((6, 0.07), (16, 0.09), 66) == pytest.approx(0.19)
    assert _table_s((16, 0.09), (16, 0.1), 16) == 0.1
    assert _base_and_combination_s(0.0010, 0.0024, 8, 64) == pytest.approx((0.0008, 0.000025))
    assert _base_and_combination_s(0.0010, 0.0012, 2, 2) == pytest.approx((0.0, 0.0006))


def test_a_disturbed_measurement_makes_no_cost_negative():
    assert _table_s((6, 0.09), (16, 0.07), 66) == 0.07
    assert _base_and_combination_s(0.003, 0.002, 8, 64) == (0.002, 0.0)


@pytest.mark.parametrize(
    ("whole_s", "part_s", "added_s"),
    [
        ([2.0, 1.0], [0.6, 0.9], 0.4),
        # A neighbour has disturbed the first part both times: it took as long as the whole, or longer.
        ([1.0, 1.0], [1.0, 1.0], 0.1),
        ([1.0, 1.0], [3.0, 3.0], 0.1),
    ],
)
def test_a_slower_first_part_does_not_make_the_second_cost_nothing(whole_s, part_s, added_s, monkeypatch):
    now_s = 0.0

    def rank(first: int, last: int) -> None:
        nonlocal now_s
        now_s += (whole_s if last == 10 else part_s).pop(0)

    monkeypatch.setattr(time, "perf_counter", lambda: now_s)
    assert _Sample._added_s(rank, 0, 5, 10) == pytest.approx(added_s)
