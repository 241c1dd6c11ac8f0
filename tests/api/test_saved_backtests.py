"""Backtests of saved strategies: mode A, and a saved variant gives the grid's numbers exactly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import TypeAdapter

from candleray.databases.postgres import Postgres
from candleray.identity.models import User
from candleray.indicators.request_models import get_request_models
from candleray.market_data.candle_store import CandleStore
from serve_apps.examples import strategies as examples
from tests.support.api.in_process_api import backend, serving, stored_walk

TIME_RANGE = {"start": "2025-01-02T00:00:00Z", "end": "2025-01-05T00:00:00Z"}
GRID: dict[str, Any] = {
    "instrument": {"market_id": 1, "symbol": "SAVEDUSDT"},
    "timeframe": "5m",
    "time_range": TIME_RANGE,
    "indicators": [
        {
            "id": "sma",
            "inputs": {"source": ["close", "hlc3"]},
            "params": {"window": {"start": 5, "stop": 30, "step": 5}},
        },
        {
            "id": "rsi",
            "params": {"window": {"values": [7, 300]}},
            "signal": {"long_threshold": 60, "short_threshold": 45},
        },
        {"id": "ema", "params": {"window": {"values": [4, 9]}}},
    ],
    "sizing": {"mode": "strategy_compound_profit_lock", "budget_quote": 5000, "safe_profit_percent": 12.5},
    "risk": {"sl_pct": {"values": [0.4, 1.7]}, "tp_pct": {"start": 0.5, "stop": 2, "step": 0.5}},
    "fee_pct": 0.013,
    "pruning": {"min_trades": 1},
    "preselect": "all",
    "top_k": 40,
    "trades_for": 40,
}


@pytest.fixture
async def api(embedded_store: CandleStore, postgres: Postgres, user: User) -> AsyncIterator[httpx.AsyncClient]:
    stored_walk(embedded_store, "SAVEDUSDT", 8000)
    async with serving(backend(embedded_store, postgres), user) as client:
        yield client


async def post(api: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await api.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
async def strategy_id(api: httpx.AsyncClient) -> str:
    best = (await post(api, "/backtests", {**GRID, "top_k": 1}))["top"][0]
    return (await post(api, "/strategies", {"strategy": best["strategy"]}))["strategy_id"]


NUMBERS = ("total_return_pct", "conflicting_signals", "metrics", "table_md", "trades", "strategy")


async def test_a_variant_saved_from_a_grid_and_run_by_its_id_gives_the_grids_numbers_exactly(api):
    grid = await post(api, "/backtests", GRID)
    assert len({one["total_return_pct"] for one in grid["top"]}) > 20
    for variant in grid["top"]:
        saved = await post(api, "/strategies", {"strategy": variant["strategy"]})
        alone = await post(
            api, "/backtests", {"strategy_id": saved["strategy_id"], "time_range": TIME_RANGE, "trades_for": 1}
        )
        (again,) = alone["top"]
        assert {name: again[name] for name in NUMBERS} == {name: variant[name] for name in NUMBERS}
        assert alone["bars"] == grid["bars"]


async def test_run_by_its_id_the_answer_is_that_of_the_variant_sent_back(api, strategy_id):
    strategy = (await api.get(f"/strategies/{strategy_id}")).json()["spec"]
    del strategy["spec_version"]
    by_id = await post(api, "/backtests", {"strategy_id": strategy_id, "time_range": TIME_RANGE})
    by_hand = await post(api, "/backtests", {**strategy, "time_range": TIME_RANGE})
    assert {**by_id, "elapsed_s": None} == {**by_hand, "elapsed_s": None}


async def test_over_another_range_it_is_the_same_strategy(api, strategy_id):
    shorter = {"start": "2025-01-03T00:00:00Z", "end": "2025-01-04T00:00:00Z"}
    answer = await post(api, "/backtests", {"strategy_id": strategy_id, "time_range": shorter})
    assert (answer["bars"], answer["variants_total"]) == (288, 1)
    again = await post(api, "/strategies", {"strategy": answer["top"][0]["strategy"]})
    assert again["strategy_id"] == strategy_id


async def test_parts_beside_the_id_make_a_grid_around_the_strategy(api, strategy_id):
    alone = await post(api, "/backtests", {"strategy_id": strategy_id, "time_range": TIME_RANGE})
    own = alone["top"][0]["strategy"]["risk"]
    around = {"sl_pct": {"values": sorted({0.3, own["sl_pct"], 5})}, "tp_pct": own["tp_pct"]}
    body = {"strategy_id": strategy_id, "time_range": TIME_RANGE, "risk": around, "preselect": "all"}
    grid = await post(api, "/backtests", body)
    assert grid["variants_total"] == 3
    assert grid["request"]["indicators"] == alone["request"]["indicators"]
    same = [one for one in grid["top"] if one["strategy"]["risk"] == own]
    assert [one["total_return_pct"] for one in same] == [alone["top"][0]["total_return_pct"]]
    indicators = [{"id": "sma", "params": {"window": {"start": 5, "stop": 8, "step": 1}}}]
    wider = await post(api, "/backtests", {**body, "risk": {}, "indicators": indicators, "direction": "long-only"})
    assert (wider["variants_total"], wider["request"]["direction"]) == (4, "long-only")
    assert wider["request"]["sizing"]["safe_profit_percent"] == 12.5


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"indicators": [{"id": "smaa"}]}, "indicators.0", "did you mean 'sma'?"),
        ({"risk": {"sl_pct": -1}}, "risk.sl_pct", "above 0"),
        ({"time_range": None}, "time_range", ""),
        ({"strategy_id": "x"}, "strategy_id", "valid UUID"),
        ({"strategy_id": None}, "strategy_id", "UUID"),
        ({"directon": "long-only"}, "directon", "did you mean 'direction'?"),
        ({"init_cash_quote": 10}, "sizing.budget_quote", "more than the initial cash"),
    ],
)
async def test_what_is_wrong_beside_an_id_is_named(api, strategy_id, change, field, message):
    body = {"strategy_id": strategy_id, "time_range": TIME_RANGE, **change}
    answers = [await api.post("/backtests", json=body) for _ in range(2)]
    assert answers[0].status_code == 422, answers[0].text
    assert answers[0].content == answers[1].content
    (problem,) = answers[0].json()["error"]["problems"]
    assert (problem["field"], message in problem["message"]) == (field, True), problem


async def test_a_foreign_or_deleted_strategy_is_not_found(api, strategy_id, postgres, embedded_store, stranger):
    body = {"strategy_id": strategy_id, "time_range": TIME_RANGE}
    async with serving(backend(embedded_store, postgres), stranger) as theirs:
        foreign = await theirs.post("/backtests", json=body)
    await api.delete(f"/strategies/{strategy_id}")
    deleted = await api.post("/backtests", json=body)
    assert (foreign.status_code, foreign.content) == (404, deleted.content)


async def test_a_variant_of_a_job_is_saved_by_its_number_whether_the_job_has_run_or_not(api):
    grid = await post(api, "/backtests", GRID)
    job = await api.post("/backtests/jobs", json=GRID)
    for variant in grid["top"][:5]:
        body = {"variant": {"job_id": job.json()["job_id"], "variant_index": variant["variant_index"]}}
        saved = await post(api, "/strategies", body)
        assert saved == await post(api, "/strategies", {"strategy": variant["strategy"]})


async def test_a_job_runs_a_grid_around_a_saved_strategy(api, strategy_id):
    around = {"strategy_id": strategy_id, "time_range": TIME_RANGE, "risk": {"sl_pct": {"values": [1, 2, 3]}}}
    job = await api.post("/backtests/jobs", json=around)
    assert (job.status_code, job.json()["variants_total"]) == (202, 3)


async def test_a_number_that_no_variant_has_and_a_foreign_job_are_refused(api, postgres, embedded_store, stranger):
    job_id = (await api.post("/backtests/jobs", json=GRID)).json()["job_id"]
    for number, status in ((383, 200), (384, 422), (10**40, 422), (-1, 422), (1.5, 422), ("1", 422)):
        answer = await api.post("/strategies", json={"variant": {"job_id": job_id, "variant_index": number}})
        assert answer.status_code == status, answer.text
    async with serving(backend(embedded_store, postgres), stranger) as theirs:
        told = []
        for one in (job_id, str(uuid4())):
            answer = await theirs.post("/strategies", json={"variant": {"job_id": one, "variant_index": 0}})
            told.append((answer.status_code, answer.text.replace(one, "ID")))
    assert told[0] == told[1]
    assert told[0][0] == 404


@pytest.mark.parametrize("body", [{}, {"strategy": None}, {"variant": None}, {"strategy": {}, "variant": {}}])
async def test_a_strategy_comes_from_one_place(api, body):
    assert (await api.post("/strategies", json=body)).status_code == 422


@pytest.mark.parametrize("example", [one["value"] for one in examples.SAVED_BACKTESTS.values()])
def test_the_examples_are_valid(example):
    TypeAdapter(get_request_models().saved_backtest).validate_python(example)
