"""A grid over a real year of minutes against the per-bar oracle.

`pytest tests/search/test_real_grid.py --oracle-variants 50` draws more variants than the three of an ordinary run.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from candleray.candles import COLUMNS, Candles
from candleray.indicators.request_models import get_request_models
from candleray.search import engine
from candleray.search.bars import Bars
from candleray.search.reports import report_variants
from candleray.search.variants import VariantGrid, resolve
from candleray.settings import BacktestSettings
from kernels.bits import unpack
from tests.support.oracles import oracle
from tests.support.searches import bars_over

pytestmark = [pytest.mark.real_data, pytest.mark.slow]

WARMUP = 200
REQUEST: dict[str, Any] = {
    "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
    "timeframe": "1m",
    "time_range": {"start": "2025-01-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"},
    "indicators": [
        {
            "id": "sma",
            "inputs": {"source": ["close", "hlc3"]},
            "params": {"window": {"start": 5, "stop": 200, "step": 5}},
        },
        {
            "id": "rsi",
            "params": {"window": {"values": [7, 10, 14, 18, 21]}},
            "signal": {"long_threshold": {"start": 20, "stop": 40, "step": 5}, "short_threshold": 70},
        },
    ],
    "top_k": 2000,
}


@pytest.fixture(scope="module")
def candles(shared_data: Path) -> Candles:
    table = pq.read_table(shared_data / "candles" / "binance_spot_BTCUSDT_2024-2025.parquet")
    values = np.ascontiguousarray([table[name].to_numpy() for name in COLUMNS])
    return Candles(table["ts_open"].to_numpy(), values)


STOPS = {"sl_pct": {"values": [0.5, 2, 5]}, "tp_pct": {"values": [1, 4]}}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("risk", [{}, STOPS], ids=["without stops", "under stops"])
def test_variants_drawn_at_random_equal_the_oracle(candles: Candles, oracle_variants: int, risk: dict[str, Any]):
    request = resolve(get_request_models().validated_request({**REQUEST, "risk": risk}), BacktestSettings())
    grid = VariantGrid(request)
    assert grid.radix.size == 2000
    bars = bars_over(candles, request, WARMUP)
    planes = engine.Planes.over([engine.planes_of(bars, grid, 0, grid.planes, WARMUP)])
    tables = engine.all_tables(bars, grid, planes)
    for index in random.Random(2025).sample(range(grid.size), oracle_variants):
        base, combination = divmod(index, grid.combinations.size)
        if risk:
            chosen = range(base, base + 1)
            ranking = engine.rank_under_stops(bars, grid, planes, tables, chosen, combination, combination + 1)
        else:
            ranking = engine.rank_variants(bars, grid, planes, index, index + 1)
        row = report_variants(bars, grid, planes, ranking, 1, tables if risk else None)[0]
        assert row.variant_index == index
        conflicts, expected = told_by_the_oracle(bars, grid, index)
        assert row.conflicting_signals == conflicts
        undefined = {name for name, value in row.metrics.items() if value is None}
        assert undefined == {name for name, value in expected.items() if value is None}
        for name in row.metrics.keys() - undefined:
            assert row.metrics[name] == pytest.approx(expected[name], rel=1e-12, abs=1e-12), name


def told_by_the_oracle(bars: Bars, grid: VariantGrid, index: int) -> tuple[int, dict[str, Any]]:
    rules = oracle.Rules(fee_pct=0.075, slippage_pct=0.01, **grid.risk(index))
    flags = [
        unpack(engine.plane_of(bars, variant, WARMUP), bars.count).tolist() for variant in grid.variant(index)
    ]
    close = bars.close.tolist()
    run = oracle.simulate([long for long, _ in flags], [short for _, short in flags], close, rules)
    report = oracle.report(run, close, bars.ts_open_ms.tolist(), bars.bar_ms, rules.init_cash_quote)
    return run.conflicts, report
