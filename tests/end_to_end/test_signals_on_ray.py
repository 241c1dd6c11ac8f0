"""Searches over signals on Ray's tasks: the bytes of one process, whatever the tasks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from candleray.backtests.request import BacktestRequest
from candleray.indicators.request_models import get_request_models
from candleray.search.variants import resolve
from candleray.settings import BacktestSettings, ComputeSettings, Settings
from cluster.search.fan_out import backtest
from tests.support.instances.ray_workers import ray_workers
from tests.support.sample_search import CANDLES, numbers_of
from tests.support.searches import MinutesInMemory, search_over

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(900)]


def request(**changes: Any) -> BacktestRequest:
    ema = {"id": "ema", "params": {"window": {"start": 5, "stop": 50, "step": 5}}}
    content = {
        "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
        "timeframe": "1m",
        "time_range": {"start": "2025-01-01T05:00:00Z", "end": "2025-01-03T12:00:00Z"},
        "let": {"fast": ema, "slow": ema, "trend": {"id": "sma", "timeframe": "15m", "params": {"window": 5}}},
        "signals": {
            "long_entry": {"all": [{"cross_above": ["fast", "slow"]}, {"above": [{"price": "close"}, "trend"]}]},
            "long_exit": {"cross_below": ["fast", "slow"]},
        },
        "where": [["fast.window", "<", "slow.window"]],
        "top_k": 25,
        "trades_for": 3,
        **changes,
    }
    return resolve(get_request_models().validated_request(content), BacktestSettings())


REQUESTS = {
    "without stops": request(),
    "under stops, of a shortlist": request(risk={"sl_pct": {"values": [0.2, 1]}, "tp_pct": 0.5}, preselect=20),
    "ranked by profits and losses, under stops": request(
        risk={"sl_pct": 1}, rank_by="profit_factor", min_trades=2
    ),
}


def test_tasks_of_any_size_give_the_bytes_of_one_process():
    store, default_warmup = MinutesInMemory(CANDLES), Settings().backtests.warmup_bars
    wanted = {name: numbers_of(search_over(CANDLES, one, default_warmup)) for name, one in REQUESTS.items()}
    with ray_workers(2):
        for variants_of_a_task in (7, None):
            settings = Settings(compute=ComputeSettings(task_variants=variants_of_a_task))
            answers = {
                name: numbers_of(asyncio.run(backtest(one, store, settings))) for name, one in REQUESTS.items()
            }
            assert answers == wanted
