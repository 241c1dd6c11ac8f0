"""One request, one answer, whatever the workers, the tasks, or the cache of compiled code."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from candleray.backtests.request import BacktestRequest
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
OF_INDICATORS: dict[str, dict[str, Any]] = {
    "without stops": {"direction": "long-only", "exit_on": "neutral"},
    "under stops, of a shortlist": {"risk": STOPS, "preselect": 30},
    "ranked by a ratio of daily returns, under stops": {"risk": STOPS, "rank_by": "sharpe_ratio", "min_trades": 3},
    "pruned, with locked profits": {"risk": STOPS, "sizing": LOCKED, "pruning": {"max_drawdown_pct": 5}},
}

EMA = {"id": "ema", "params": {"window": {"start": 5, "stop": 50, "step": 5}}}
SIGNALS: dict[str, Any] = {
    "indicators": None,
    "let": {"fast": EMA, "slow": EMA, "trend": {"id": "sma", "timeframe": "15m", "params": {"window": 5}}},
    "signals": {
        "long_entry": {"all": [{"cross_above": ["fast", "slow"]}, {"above": [{"price": "close"}, "trend"]}]},
        "long_exit": {"cross_below": ["fast", "slow"]},
    },
    "where": [["fast.window", "<", "slow.window"]],
}
OF_SIGNALS: dict[str, dict[str, Any]] = {
    "of signals, without stops": {},
    "of signals, under stops, of a shortlist": {
        "risk": {"sl_pct": {"values": [0.2, 1]}, "tp_pct": 0.5},
        "preselect": 20,
    },
    "of signals, ranked by profits and losses, under stops": {
        "risk": {"sl_pct": 1},
        "rank_by": "profit_factor",
        "min_trades": 2,
    },
}
SEARCHES = {
    **{name: {"indicators": INDICATORS, **changes} for name, changes in OF_INDICATORS.items()},
    **{name: {**SIGNALS, **changes} for name, changes in OF_SIGNALS.items()},
}
COMPILED_ANEW = "under stops, of a shortlist"
"""Compiled by a worker into an empty folder: the kernels of every phase, those without stops for its shortlist."""

STORE = MinutesInMemory(CANDLES)


def request_of(name: str) -> BacktestRequest:
    return resolved(top_k=25, trades_for=3, **SEARCHES[name])


def answers(names: Iterable[str], variants_of_a_task: int | None) -> dict[str, str]:
    settings = Settings(compute=ComputeSettings(task_variants=variants_of_a_task))
    return {name: numbers_of(asyncio.run(backtest(request_of(name), STORE, settings))) for name in names}


@pytest.fixture(scope="module")
def wanted() -> dict[str, str]:
    """The answers of one process."""
    default_warmup = Settings().backtests.warmup_bars
    return {name: numbers_of(search_over(CANDLES, request_of(name), default_warmup)) for name in SEARCHES}


def test_code_that_a_worker_compiles_gives_the_same_bytes(tmp_path: Path, wanted: dict[str, str]):
    with ray_workers(1, tmp_path):
        assert not any(tmp_path.rglob("*.nbc"))
        assert answers([COMPILED_ANEW], None) == {COMPILED_ANEW: wanted[COMPILED_ANEW]}
        assert any(tmp_path.rglob("*.nbc"))


def test_tasks_of_any_size_on_two_workers_give_the_same_bytes(wanted: dict[str, str]):
    with ray_workers(2):
        for variants_of_a_task in (7, None, 1000):
            assert answers(SEARCHES, variants_of_a_task) == wanted
