"""Backtests and strategies of signals through the API."""

from __future__ import annotations

import json
import time
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


MANY = {"start": 1, "stop": 1000, "step": 1}
REFUSED_WITHIN_S = 0.1


@pytest.mark.parametrize("path", ["/backtests", "/backtests/explain"])
@pytest.mark.parametrize(
    ("changes", "place", "told"),
    [
        (
            {"signals": {"long_entry": {"all": [{"above": ["fast", 1]}] * 20_000}}},
            "signals.long_entry.all",
            "a list of 20000",
        ),
        ({"signals": {"long_entry": {"above": ["fst", 1]}}}, "signals.long_entry.above.0", "did you mean 'fast'?"),
        (
            {"let": {**GRID["let"], "fast": {"plus": ["slow", 1]}, "slow": {"abs": "fast"}}},
            "let.fast",
            "fast → slow → fast",
        ),
        (
            {"let": {**GRID["let"], "hour": {"price": "close", "timeframe": "1m"}}},
            "let.hour.timeframe",
            "a multiple of it: got 1m",
        ),
        (
            {
                "signals": {"long_entry": {"between": [{"plus": [{"price": "close"}, MANY]}, MANY, MANY]}},
                "where": [],
            },
            "signals.long_entry.between.0.plus.1",
            "1000000000 combinations",
        ),
    ],
    ids=["nodes", "name", "cycle", "timeframe", "combinations"],
)
async def test_a_hostile_tree_is_refused_in_no_time_with_the_place_of_the_fault(api, path, changes, place, told):
    body = json.dumps({**GRID, **changes})
    answers = [await _timed(api, path, body) for _ in range(3)]
    problems = answers[0][0].json()["error"]["problems"]
    assert [problem["message"] for problem in problems if problem["field"] == place and told in problem["message"]]
    assert min(seconds for _, seconds in answers) / REFUSED_WITHIN_S < 1


@pytest.mark.parametrize("levels", [900, 100_000])
async def test_json_that_is_nested_deeply_is_refused_in_no_time(api, levels):
    condition = '{"not":' * levels + '{"above":["fast",1]}' + "}" * levels
    body = json.dumps({**GRID, "signals": {"long_entry": "deep"}}).replace('"deep"', condition)
    answers = [await _timed(api, "/backtests", body) for _ in range(3)]
    assert answers[0][0].status_code == 422
    assert "deep" in answers[0][0].text or "nodes" in answers[0][0].text
    assert min(seconds for _, seconds in answers) / REFUSED_WITHIN_S < 1


async def _timed(api: httpx.AsyncClient, path: str, body: str) -> tuple[httpx.Response, float]:
    """Return an answer and the processor's seconds until it came, however busy the machine is."""
    began = time.process_time()
    answer = await api.post(path, content=body, headers={"Content-Type": "application/json"})
    return answer, time.process_time() - began


async def test_the_size_of_a_request_is_told_beforehand(api):
    answer = await api.post("/backtests/preflight", json=GRID)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["variants_total"], told["mode"]) == (3, "sync")
    assert told["planes"] == 3 + 3 + 1


async def test_an_explanation_says_the_request_and_counts_its_conditions(api):
    answer = await api.post("/backtests/explain?variant_index=2", json=GRID)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["sentences"][0].startswith(
        "Opens long when EMA(5 or 10) crosses above EMA(8 or 20), while the close"
    )
    assert told["sentences"][1] == "Only where fast.window < slow.window."
    top = (await api.post("/backtests", json=GRID)).json()["top"]
    assert told["strategy"] == next(one["strategy"] for one in top if one["variant_index"] == 2)
    assert [one["path"] for one in told["conditions"]][:2] == ["signals.long_entry", "signals.long_entry.all.0"]
    assert 0 < told["signal_bars"]["long"] < told["bars"] == 576


async def test_a_saved_strategy_is_explained_by_its_id(api):
    variant = (await api.post("/backtests", json=GRID)).json()["top"][0]
    saved = (await api.post("/strategies", json={"strategy": variant["strategy"]})).json()
    asked = {"strategy_id": saved["strategy_id"], "time_range": GRID["time_range"]}
    told = (await api.post("/backtests/explain", json=asked)).json()
    by_hand = (await api.post(f"/backtests/explain?variant_index={variant['variant_index']}", json=GRID)).json()
    assert told["variant_sentences"] == by_hand["variant_sentences"]
    assert told["conditions"] == by_hand["conditions"]
    assert told["first_signals"] == by_hand["first_signals"]


@pytest.mark.parametrize(
    ("path", "changes", "status", "field"),
    [
        ("?variant_index=3", {}, 422, "variant_index"),
        ("?variant_index=-1", {}, 422, "variant_index"),
        ("", {"signals": {"long_entry": {"abov": ["fast", 1]}}}, 422, "signals.long_entry"),
        ("", {"instrument": {"market_id": 1, "symbol": "NOSUCH"}}, 404, ""),
        ("", {"time_range": {"start": "2020-01-01", "end": "2020-01-02"}}, 404, ""),
    ],
    ids=["number", "negative", "condition", "symbol", "range"],
)
async def test_an_explanation_is_refused_as_a_backtest_is(api, path, changes, status, field):
    answer = await api.post(f"/backtests/explain{path}", json={**GRID, **changes})
    assert answer.status_code == status, answer.text
    assert not field or field in [problem["field"] for problem in answer.json()["error"]["problems"]]
