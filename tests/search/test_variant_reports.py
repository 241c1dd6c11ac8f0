"""The report of one variant: the numbers of the search, and a curve in few points that keeps every extreme."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from candleray.backtests.request import BacktestRequest
from candleray.errors import InvalidInput
from candleray.search.one_variant import bars_of, one_variant
from candleray.search.variant_reports import Traced, curve_stream, trades_stream
from candleray.search.variants import resolve
from candleray.settings import Settings
from tests.support.api.accounts import GRID
from tests.support.api.in_process_api import random_walk
from tests.support.searches import MinutesInMemory, search_over

WALK = random_walk(3000)
REQUEST: dict[str, Any] = {
    **GRID,
    "time_range": {"start": "2025-01-01T05:00:00Z", "end": "2025-01-03T00:00:00Z"},
    "indicators": [
        {"id": "sma", "params": {"window": {"values": [4, 9]}}},
        {"id": "rsi", "params": {"window": 5}, "signal": {"long_threshold": 45, "short_threshold": 55}},
    ],
    "exit_on": "neutral",
}
STOPS = {"sl_pct": {"values": [0.3, 0.6]}, "tp_pct": 0.5}


async def traced(variant_index: int, **changes: Any) -> Traced:
    settings = Settings(environment="test")
    variant = one_variant(BacktestRequest.model_validate({**REQUEST, **changes}), variant_index, settings)
    bars = await bars_of(variant, MinutesInMemory(WALK), settings)
    return Traced.over(variant, bars, settings.backtests)


@pytest.mark.parametrize("risk", [{}, STOPS])
async def test_a_report_has_the_numbers_of_the_search(risk: dict[str, Any]):
    request = BacktestRequest.model_validate({**REQUEST, "risk": risk, "trades_for": 10})
    settings = Settings(environment="test").backtests
    for variant in search_over(WALK, resolve(request, settings), settings.warmup_bars).top:
        found = await traced(variant.variant_index, risk=risk)
        report = found.report()
        assert report.metrics == variant.metrics
        assert report.trades == variant.metrics["Num. Trades"]
        trades = pa.ipc.open_stream(trades_stream(found)).read_all().to_pylist()
        assert [trade["pnl_quote"] for trade in trades] == [trade.pnl_quote for trade in variant.trades or ()]
        assert [trade["exit_reason"] for trade in trades] == [trade.exit_reason for trade in variant.trades or ()]


async def test_months_multiply_to_the_whole():
    report = (await traced(0)).report()
    whole = np.prod([1 + month.return_pct / 100 for month in report.months]) - 1
    assert whole * 100 == pytest.approx(report.metrics["Total Return [%]"], rel=1e-9)
    held = np.prod([1 + month.benchmark_return_pct / 100 for month in report.months]) - 1
    assert held * 100 == pytest.approx(report.metrics["Benchmark Return [%]"], rel=1e-9)
    assert [month.month for month in report.months] == ["2025-01"]


@pytest.mark.parametrize("points", [2, 7, 100, 20_000])
async def test_a_curve_keeps_its_extremes_in_however_few_points(points: int):
    found = await traced(1)
    curve = found.curve(points, None, None)
    assert curve.ts_ms.size == min(points, found.bars.count)
    assert (curve.low.min(), curve.high.max()) == (found.equity.min(), found.equity.max())
    assert -curve.drawdown_pct.min() == pytest.approx(found.report().metrics["Max. Drawdown [%]"], rel=1e-9)
    assert curve.last[-1] == found.equity[-1]
    assert curve.ts_ms[-1] == found.closes_ms[-1]
    assert (np.diff(curve.ts_ms) > 0).all()


async def test_a_part_of_a_curve_has_the_drawdown_of_the_whole():
    found = await traced(1)
    start, end = (int(found.closes_ms[at]) for at in (200, 320))
    curve = found.curve(20_000, start, end)
    assert (curve.ts_ms[0], curve.ts_ms[-1]) == (start, end)
    assert (curve.drawdown_pct == found.curve(20_000, None, None).drawdown_pct[200:321]).all()
    table = pa.ipc.open_stream(curve_stream(curve)).read_all()
    assert table.column_names == ["ts_ms", "low", "high", "last", "drawdown_pct", "close"]
    assert found.curve(10, end + 10**12, None).ts_ms.size == 0


async def test_there_is_no_variant_beyond_the_last():
    with pytest.raises(InvalidInput, match="no variant 2: the request has variants 0 to 1"):
        await traced(2)
