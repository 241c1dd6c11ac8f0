"""Searches through the API, each on its user's record and counted by the next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest

from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult
from candleray.databases.postgres import Postgres
from candleray.errors import ServiceUnavailable
from candleray.identity.models import User
from candleray.jobs.attempts import Attempts
from candleray.jobs.job import JobState
from candleray.jobs.store import Jobs
from candleray.market_data.candle_store import CandleStore
from candleray.settings import JobSettings
from serve_apps.backend import Backend
from tests.support.api.in_process_api import backend, random_walk, serving, stored_walk
from tests.support.jobs import progress
from tests.support.searches import search_over

WALK = {"instrument": {"market_id": 1, "symbol": "TRIUSDT"}, "timeframe": "5m"}
RANGE = {"start": "2025-01-02T00:00:00Z", "end": "2025-01-04T00:00:00Z"}


def grid(*windows: int, **changes: Any) -> dict[str, Any]:
    indicators = [{"id": "sma", "params": {"window": {"values": list(windows)}}}]
    return {**WALK, "time_range": RANGE, "indicators": indicators, "top_k": 2, **changes}


@pytest.fixture
def behind(embedded_store: CandleStore, postgres: Postgres) -> Backend:
    stored_walk(embedded_store, "TRIUSDT", 6000)
    return backend(embedded_store, postgres)


@pytest.fixture
async def api(behind: Backend, user: User) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(behind, user) as client:
        yield client


async def answered(api: httpx.AsyncClient, request: dict[str, Any]) -> dict[str, Any]:
    answer = await api.post("/backtests", json=request)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def without_pictures(verdict: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in verdict.items() if name != "pictures"}


async def trials(api: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = (await api.get("/trials", params=query)).json()["trials"]
    return listed


async def test_the_second_search_over_the_same_candles_counts_the_first(api: httpx.AsyncClient):
    first = await answered(api, grid(5, 10, 20))
    second = await answered(api, grid(30, 40))
    assert "earlier" not in first["verdict"]
    independent = first["verdict"]["independent_variants"]
    earlier = {"searches": 1, "variants": 3, "independent_variants": independent}
    assert second["verdict"]["earlier"] == earlier
    assert second["verdict"]["luck_p_with_earlier"] > second["verdict"]["luck_p"]
    again = await answered(api, grid(5, 10, 20))
    assert again["verdict"] == first["verdict"]
    found = await trials(api, symbol="TRIUSDT")
    assert [(one["request_hash"], one["searches"]) for one in found] == [
        (first["request_hash"], 2),
        (second["request_hash"], 1),
    ]
    assert found[1]["verdict"] == without_pictures(second["verdict"])
    assert await trials(api, market_id=2) == []


async def test_a_strategy_keeps_the_verdict_of_the_search_it_was_saved_from(api: httpx.AsyncClient):
    answer = await answered(api, grid(5, 10, 20))
    body = {"strategy": answer["top"][0]["strategy"], "request_hash": answer["request_hash"]}
    saved = (await api.post("/strategies", json=body)).json()
    assert saved["verdict"] == without_pictures(answer["verdict"])
    assert saved["trial_id"] == (await trials(api))[0]["trial_id"]
    assert (await api.get(f"/strategies/{saved['strategy_id']}")).json() == saved
    other = {**body["strategy"], "timeframe": "15m"}
    refused = await api.post("/strategies", json={**body, "strategy": other})
    assert "that search was over binance:spot:TRIUSDT 5m, the strategy trades" in refused.text
    unknown = await api.post("/strategies", json={**body, "request_hash": "0" * 64})
    assert unknown.status_code == 404


async def test_a_job_is_counted_at_its_end_however_it_ends(api: httpx.AsyncClient, postgres: Postgres, user: User):
    attempts = Attempts(postgres, JobSettings())
    made = [UUID((await api.post("/backtests/jobs", json=one)).json()["job_id"]) for one in (grid(7), grid(8, 9))]
    for job_id in made:
        assert await attempts.move(job_id, JobState.RUNNING, "a test")
    assert await trials(api) == []
    await attempts.heartbeat(made[0], 1, progress(5))
    assert await attempts.move(made[0], JobState.CANCELLED, "a test")
    request, _ = await attempts.job_to_run(made[1], 1)
    result = await asyncio.to_thread(search_over, random_walk(6000), request, 200)
    await attempts.finish(made[1], 1, result)
    second, first = await trials(api)
    assert (first["job_id"], first["variants"], first["independent_variants"]) == (str(made[0]), 5, None)
    assert second["job_id"] == str(made[1])
    kept = await Jobs(postgres, JobSettings()).result(user.user_id, made[1])
    assert kept.verdict is not None
    assert kept.verdict.earlier is not None
    assert kept.verdict.earlier.variants == 5
    saved = await api.post("/strategies", json={"variant": {"job_id": str(made[1]), "variant_index": 1}})
    assert saved.json()["verdict"] == second["verdict"]


async def test_an_answer_comes_though_the_record_does_not(behind: Backend, user: User, postgres: Postgres):
    is_searched = False

    async def away_after_the_search() -> Postgres:
        if is_searched:
            raise ServiceUnavailable("Postgres is away")
        return postgres

    async def search(request: BacktestRequest) -> BacktestResult:
        nonlocal is_searched
        result = await behind.run_backtest(request)
        is_searched = True
        return result

    async with serving(replace(behind, postgres=away_after_the_search, run_backtest=search), user) as client:
        answer = await answered(client, grid(5, 10))
    assert answer["notes"][-1] == (
        "this search is not on your record of trials, and earlier ones are not counted: Postgres is away"
    )
