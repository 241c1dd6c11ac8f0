"""Synchronous backtests through the API: the answer, its bytes, and how one ends early."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from candleray.backtests.report import table_md
from candleray.backtests.result import BacktestResult
from candleray.market_data.candle_store import CandleStore
from serve_apps.api import build_api
from tests.support.api.in_process_api import backend, serving, stored_walk

GRID: dict[str, Any] = {
    "instrument": {"market_id": 1, "symbol": "BTAUSDT"},
    "timeframe": "5m",
    "time_range": {"start": "2025-01-02T00:00:00Z", "end": "2025-01-04T00:00:00Z"},
    "indicators": [
        {
            "id": "sma",
            "inputs": {"source": ["close", "hlc3"]},
            "params": {"window": {"start": 5, "stop": 25, "step": 5}},
        },
        {"id": "rsi", "params": {"window": {"values": [7, 14]}}, "signal": {"long_threshold": 60}},
    ],
    "top_k": 7,
    "trades_for": 2,
}


@pytest.fixture
async def api(embedded_store: CandleStore) -> AsyncIterator[httpx.AsyncClient]:
    stored_walk(embedded_store, "BTAUSDT", 6000)
    async with serving(backend(embedded_store)) as client:
        yield client


async def run(api: httpx.AsyncClient, request: dict[str, Any]) -> dict[str, Any]:
    answer = await api.post("/backtests", json=request)
    assert answer.status_code == 200, answer.text
    return answer.json()


def without_time(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name != "elapsed_s"}


async def test_another_metric_ranks_and_is_echoed_with_the_limit_on_trades(api):
    result = await run(api, {**GRID, "rank_by": "Sortino Ratio", "min_trades": 4})
    assert result["request"]["rank_by"] == "sortino_ratio"
    assert result["request"]["pruning"]["min_trades"] == 4
    assert "min_trades" not in result["request"]
    ratios = [one["metrics"]["Sortino Ratio"] for one in result["top"]]
    assert ratios == sorted(ratios, reverse=True)
    assert all(one["metrics"]["Num. Trades"] >= 4 for one in result["top"])
    assert result["pruned"].keys() == {"min_trades"}
    refused = await api.post("/backtests", json={**GRID, "rank_by": "sortino"})
    assert refused.status_code == 422
    assert refused.json()["error"]["problems"] == [
        {
            "field": "rank_by",
            "code": "unknown_metric",
            "message": "unknown metric 'sortino'; did you mean 'sortino_ratio'?",
        }
    ]


async def test_the_answer_ranks_the_variants_and_echoes_the_resolved_request(api):
    result = await run(api, GRID)
    assert (result["variants_total"], result["variants_evaluated"], result["bars"]) == (20, 20, 576)
    assert [one["rank"] for one in result["top"]] == list(range(1, 8))
    order = [(-one["total_return_pct"], one["variant_index"]) for one in result["top"]]
    assert order == sorted(order)
    assert [one["trades"] is not None for one in result["top"]] == [True] * 2 + [False] * 5
    assert (result["request"]["fee_pct"], result["request"]["init_cash_quote"]) == (0.075, 10000)
    assert all(one["table_md"] == table_md(one["metrics"]) for one in result["top"])


async def test_the_same_request_in_other_words_gets_the_same_answer(api):
    reordered = dict(reversed(GRID.items())) | {"indicators": GRID["indicators"][::-1]}
    answers = [without_time(await run(api, request)) for request in (GRID, reordered, GRID)]
    assert answers[0] == answers[1] == answers[2]


async def test_each_strategy_sent_back_alone_gives_the_same_numbers(api):
    for variant in (await run(api, GRID))["top"]:
        (alone,) = (await run(api, variant["strategy"]))["top"]
        assert alone["metrics"] == variant["metrics"]
        assert alone["strategy"] == variant["strategy"]


async def test_the_resolved_request_sent_back_gives_the_same_answer(api):
    result = await run(api, GRID)
    assert without_time(await run(api, result["request"])) == without_time(result)


async def test_what_is_undefined_is_null_and_never_nan(api):
    """A grid that never trades leaves most metrics undefined."""
    never = GRID | {"indicators": [{"id": "rsi", "signal": {"long_threshold": 0, "short_threshold": 100}}]}
    answer = await api.post("/backtests", json=never)
    result = json.loads(answer.content, parse_constant=lambda text: pytest.fail(f"the answer holds {text}"))
    assert result["top"][0]["metrics"]["Num. Trades"] == 0
    assert result["top"][0]["metrics"]["Win Rate [%]"] is None
    assert result["top"][0]["total_return_pct"] == 0


async def test_a_float_comes_back_as_exactly_itself(api):
    result = await run(api, GRID)
    parsed = BacktestResult.model_validate_json(json.dumps(result))
    assert json.loads(parsed.model_dump_json()) == result
    assert all(math.isfinite(one.total_return_pct) for one in parsed.top)


async def test_variants_and_seconds_are_counted(embedded_store):
    stored_walk(embedded_store, "BTAUSDT", 6000)
    async with serving(backend(embedded_store)) as api:
        await run(api, GRID)
        told = (await api.get("/metrics")).text
    assert 'candleray_backtest_variants_total{replica="here"} 20.0' in told
    assert 'candleray_backtest_seconds_count{replica="here"} 1.0' in told


class Endless:
    """A runner that works until it is cancelled."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.cancelled = False

    async def __call__(self, _request: Any) -> Any:
        self.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise


async def test_a_backtest_over_its_time_is_cancelled_and_says_so(embedded_store):
    endless = Endless()
    behind = backend(embedded_store, api={"backtest_timeout_s": 0.05})
    async with serving(behind, run_backtest=endless) as api:
        answer = await api.post("/backtests", json=GRID)
    assert answer.status_code == 503
    assert answer.json()["error"]["message"] == (
        "the backtest took longer than 0.05 s and was cancelled: ask for less at once"
    )
    assert endless.cancelled


async def test_a_caller_who_leaves_cancels_the_backtest(embedded_store):
    endless, sent = Endless(), []
    behind = backend(embedded_store)
    async with serving(behind) as client:
        token = client.headers["Authorization"].encode()
    app = build_api(replace(behind, run_backtest=endless))
    body = [{"type": "http.request", "body": json.dumps(GRID).encode(), "more_body": False}]

    async def receive() -> dict[str, Any]:
        if body:
            return body.pop()
        await endless.started.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/backtests",
        "raw_path": b"/backtests",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"content-type", b"application/json"), (b"authorization", token)],
        "client": ("here", 1),
        "server": ("api", 80),
    }
    async with asyncio.timeout(60):
        await app(scope, receive, send)
    await behind.close()
    assert endless.cancelled
    assert sent[0]["status"] == 499
    told = behind.metrics.render().decode()
    assert 'route="/backtests",status="499"} 1.0' in told
