"""One request, one answer, whatever the workers, the tasks, or the cache of compiled code."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from candleray.settings import ComputeSettings, Settings
from cluster.search.fan_out import backtest
from tests.support.instances.ray_workers import ray_workers
from tests.support.sample_search import CANDLES, numbers_of, resolved
from tests.support.searches import MinutesInMemory, search_over

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(1800)]

INDICATORS = [
    {"id": "sma", "params": {"window": {"start": 5, "stop": 125, "step": 10}}},
    {"id": "rsi", "params": {"window": {"values": [7, 14]}}, "signal": {"long_threshold": {"values": [40, 60]}}},
]
STOPS = {"sl_pct": {"values": [0.2, 0.5, 2]}, "tp_pct": {"start": 0.3, "stop": 0.6, "step": 0.3}}
LOCKED = {"mode": "strategy_compound_profit_lock", "budget_quote": 2000, "safe_profit_percent": 20}
SEARCHES: dict[str, dict[str, Any]] = {
    "without stops": {"direction": "long-only", "exit_on": "neutral"},
    "under stops, of a shortlist": {"risk": STOPS, "preselect": 30},
    "ranked by a ratio of daily returns, under stops": {"risk": STOPS, "rank_by": "sharpe_ratio", "min_trades": 3},
    "pruned, with locked profits": {"risk": STOPS, "sizing": LOCKED, "pruning": {"max_drawdown_pct": 5}},
}


STORE = MinutesInMemory(CANDLES)


def answers(variants_of_a_task: int | None) -> dict[str, str]:
    settings = Settings(compute=ComputeSettings(task_variants=variants_of_a_task))
    return {name: numbers_of(asyncio.run(backtest(request_of(name), STORE, settings))) for name in SEARCHES}


def request_of(name: str) -> Any:
    return resolved(indicators=INDICATORS, top_k=25, trades_for=3, **SEARCHES[name])


def test_any_workers_task_size_and_cache_give_the_same_bytes(tmp_path: Path):
    default_warmup = Settings().backtests.warmup_bars
    wanted = {name: numbers_of(search_over(CANDLES, request_of(name), default_warmup)) for name in SEARCHES}
    with ray_workers(1, tmp_path):
        assert not any(tmp_path.rglob("*.nbc"))
        assert answers(None) == wanted
        assert any(tmp_path.rglob("*.nbc"))
    with ray_workers(2, tmp_path):
        for variants_of_a_task in (11, 1000):
            assert answers(variants_of_a_task) == wanted
