"""The parts of a report against code that goes bar by bar, and against the metrics of the same run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from candleray.backtests.request import BacktestRequest
from candleray.search.one_variant import bars_of, one_variant
from candleray.search.reported.deepest_drawdowns import deepest_drawdowns
from candleray.search.reported.periods import period_returns
from candleray.search.variant_reports import Traced
from candleray.settings import Settings
from candleray.timeframes import DAY_MS, MINUTE_MS, iso
from kernels.simulation.exits import EXIT_TAKE_PROFIT
from tests.support.api.accounts import GRID
from tests.support.api.in_process_api import random_walk
from tests.support.searches import MinutesInMemory

WALK = random_walk(3000)
REQUEST: dict[str, Any] = {
    **GRID,
    "time_range": {"start": "2025-01-01T05:00:00Z", "end": "2025-01-03T00:00:00Z"},
    "indicators": [
        {"id": "rsi", "params": {"window": 5}, "signal": {"long_threshold": 45, "short_threshold": 55}}
    ],
    "exit_on": "neutral",
    "slippage_pct": 0.05,
}
INSIDE = {"risk": {"sl_pct": 0.9, "tp_pct": 0.5}, "fill": {"entry": "next_open", "stops": "intrabar"}}


async def traced(**changes: Any) -> Traced:
    settings = Settings(environment="test")
    variant = one_variant(BacktestRequest.model_validate({**REQUEST, **changes}), 0, settings)
    bars = await bars_of(variant, MinutesInMemory(WALK), settings)
    return Traced.over(variant, bars, settings.backtests)


def points_of(*equity: float) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(len(equity)) * MINUTE_MS, np.array(equity, float)


def test_a_drawdown_runs_from_its_peak_to_its_recovery():
    (one,) = deepest_drawdowns(*points_of(100, 110, 99, 88, 105, 110, 120))
    assert one.depth_pct == pytest.approx(20)
    assert (one.peak_time, one.lowest_time, one.recovery_time) == tuple(iso(at * MINUTE_MS) for at in (1, 3, 5))
    assert one.duration_ms == 4 * MINUTE_MS


def test_one_that_has_not_recovered_lasts_to_the_end():
    shallow, deep = deepest_drawdowns(*points_of(100, 99, 100, 50, 60))[::-1]
    assert (shallow.depth_pct, shallow.recovery_time) == (pytest.approx(1), iso(2 * MINUTE_MS))
    assert (deep.depth_pct, deep.recovery_time, deep.duration_ms) == (pytest.approx(50), None, 2 * MINUTE_MS)


def test_a_curve_that_never_falls_has_none():
    assert deepest_drawdowns(*points_of(100, 100, 101, 101 * (1 - 1e-14))) == ()


def test_only_the_ten_deepest_are_told_and_equal_ones_in_their_order():
    told = deepest_drawdowns(*points_of(*([100, 90] * 12), 100))
    assert len(told) == 10
    assert [one.peak_time for one in told] == [iso(2 * at * MINUTE_MS) for at in range(10)]


def test_years_and_months_of_a_range_that_crosses_a_new_year():
    stamps = np.array([-DAY_MS, 0, 30 * DAY_MS, 40 * DAY_MS]) + 20089 * DAY_MS  # 2025-01-01
    equity, close = np.array([110.0, 121.0, 121.0, 60.5]), np.array([10.0, 20.0, 20.0, 30.0])
    assert [
        (name, round(ours, 9), round(held, 9))
        for name, ours, held in period_returns(stamps, equity, close, 100, "Y")
    ] == [
        ("2024", 10.0, 0.0),
        ("2025", -45.0, 200.0),
    ]
    months = list(period_returns(stamps, equity, close, 100, "M"))
    assert [one.name for one in months] == ["2024-12", "2025-01", "2025-02"]
    assert [round(one.return_pct, 9) for one in months] == [10.0, 10.0, -50.0]


@pytest.mark.parametrize("changes", [{}, {"risk": {"sl_pct": 0.2}}, INSIDE])
async def test_the_parts_agree_with_the_metrics_of_the_same_run(changes: dict[str, Any]):
    found = await traced(**changes)
    report = found.report()
    metrics = report.metrics
    assert report.trades > 20
    assert report.drawdowns[0].depth_pct == pytest.approx(metrics["Max. Drawdown [%]"], rel=1e-12)
    depths = [one.depth_pct for one in report.drawdowns]
    assert depths == sorted(depths, reverse=True)
    whole = np.prod([1 + year.return_pct / 100 for year in report.years]) - 1
    assert whole * 100 == pytest.approx(metrics["Total Return [%]"], rel=1e-9)
    assert report.exposure is not None
    assert min(report.exposure.long, report.exposure.short) > 0
    both = report.exposure.long + report.exposure.short
    assert both == pytest.approx(metrics["Gross Exposure"], rel=1e-12)


@pytest.mark.parametrize("changes", [{}, {"risk": {"sl_pct": 0.2}}, INSIDE])
async def test_costs_are_those_of_every_fill(changes: dict[str, Any]):
    found = await traced(**changes)
    costs, slip = found.report().costs, 0.0005
    assert costs is not None
    slippage = fees = 0.0
    for trade in found.trades:
        side, fills = int(trade["side"]), [(trade["entry_fill"], int(trade["side"]))]
        is_limit = "fill" in changes and trade["exit_reason"] == EXIT_TAKE_PROFIT
        if not is_limit:
            fills.append((trade["exit_fill"], -side))
        for fill, bought in fills:
            raw = fill / (1 + slip) if bought == 1 else fill / (1 - slip)
            slippage += abs(fill - raw) * trade["quantity"]
        fees += trade["fees_quote"]
    assert costs.slippage_quote == pytest.approx(slippage, rel=1e-9)
    assert costs.fees_quote == pytest.approx(fees, rel=1e-12)
    assert slippage > 0
