"""Backtests and strategies of signals through the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from candleray.market_data.candle_store import CandleStore
from tests.support.api.in_process_api import backend, serving, stored_walk

GRID: dict[str, Any] = {
    "instrument": {"market_id": 1, "symbol": "BTAUSDT"},
    "timeframe": "5m",
    "time_range": {"start": "2025-01-02T00:00:00Z", "end": "2025-01-04T00:00:00Z"},
    "let": {
        "fast": {"id": "ema", "params": {"window": {"values": [5, 10]}}},
        "slow": {"id": "ema", "params": {"window": {"values": [8, 20]}}},
        "hour": {"price": "close", "timeframe": "1h"},
    },
    "signals": {
        "long_entry": {
            "all": [{"cross_above": ["fast", "slow"]}, {"not": {"below": [{"price": "close"}, "hour"]}}]
        },
        "long_exit": {"cross_below": ["fast", "slow"]},
    },
    "where": [["fast.window", "<", "slow.window"]],
    "direction": "long-only",
}


@pytest.fixture
async def api(embedded_store: CandleStore) -> AsyncIterator[httpx.AsyncClient]:
    stored_walk(embedded_store, "BTAUSDT", 6000)
    async with serving(backend(embedded_store)) as client:
        yield client


async def test_each_variant_sent_back_alone_gives_the_same_numbers(api):
    answer = await api.post("/backtests", json=GRID)
    assert answer.status_code == 200, answer.text
    result = answer.json()
    assert result["variants_total"] == len(result["top"]) == 3
    assert "indicators" not in result["request"]
    for variant in result["top"]:
        (alone,) = (await api.post("/backtests", json=variant["strategy"])).json()["top"]
        assert alone["metrics"] == variant["metrics"]


async def test_a_mistake_is_answered_with_its_place_and_the_nearest_name(api):
    wrong = {**GRID, "signals": {"long_entry": {"cross_above": ["fst", "slow"]}}}
    answer = await api.post("/backtests", json=wrong)
    assert answer.status_code == 422
    (problem,) = answer.json()["error"]["problems"]
    assert problem == {
        "field": "signals.long_entry.cross_above.0",
        "code": "unknown_name",
        "message": "unknown name 'fst'; did you mean 'fast'?",
    }


async def test_the_size_of_a_request_is_told_beforehand(api):
    answer = await api.post("/backtests/preflight", json=GRID)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["variants_total"], told["mode"]) == (3, "sync")
    assert told["planes"] == 3 + 3 + 1
