"""Every route with an id, asked by another user: answered exactly as an unknown id, 404.

The routes come from the OpenAPI document: one that takes a new kind of id fails here until `OWNED` can make it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from candleray.stores.clickhouse import CandleStore
from serve_apps import strategy_examples
from serve_apps.api import build_api
from tests.in_process_api import backend, fresh_login, serving_strangers, stored_walk
from tests.test_second_factor import KEY, log_in, set_up

EVERYBODYS = {"indicator_id"}
"""Ids of what belongs to nobody."""

REQUEST: dict[str, Any] = {
    "instrument": {"market_id": 1, "symbol": "FRGUSDT"},
    "timeframe": "5m",
    "time_range": {"start": "2025-01-02T00:00:00Z", "end": "2025-01-02T12:00:00Z"},
    "indicators": [{"id": "sma", "params": {"window": {"values": [10, 20]}}}],
}


async def posted(api: httpx.AsyncClient, path: str, body: Any, field: str) -> str:
    answer = await api.post(path, json=body)
    assert answer.is_success, answer.text
    return str(answer.json()[field])


async def strategy_id(api: httpx.AsyncClient) -> str:
    return await posted(api, "/strategies", strategy_examples.NEW_STRATEGIES["variant"]["value"], "strategy_id")


async def run_id(api: httpx.AsyncClient) -> str:
    owner = next(path for path in PATHS if path.endswith("/runs") and "post" in PATHS[path])
    made = await strategy_id(api)
    body = {} if "{strategy_id}" in owner else {"strategy_id": made}
    return await posted(api, owner.replace("{strategy_id}", made), body, "run_id")


async def job_id(api: httpx.AsyncClient) -> str:
    return await posted(api, "/backtests/jobs", REQUEST, "job_id")


async def session_id(api: httpx.AsyncClient) -> str:
    return str((await api.get("/sessions")).json()[0]["token_id"])


async def token_id(api: httpx.AsyncClient) -> str:
    return str((await api.post("/tokens", json={"name": "mine"})).json()["info"]["token_id"])


async def key_id(api: httpx.AsyncClient) -> str:
    return await posted(api, "/exchange-keys", KEY, "key_id")


OWNED: dict[str, Callable[[httpx.AsyncClient], Awaitable[str]]] = {
    make.__name__: make for make in (strategy_id, run_id, job_id, session_id, token_id, key_id)
}
PATHS: dict[str, Any] = build_api(backend(object())).openapi()["paths"]
ROUTES = [
    (method, path)
    for path, methods in PATHS.items()
    for method in methods
    if "{" in path and not any(f"{{{name}}}" in path for name in EVERYBODYS)
]


@pytest.fixture
async def somebody(embedded_store: CandleStore) -> AsyncIterator[httpx.AsyncClient]:
    """A user who may do everything: logged in, and past a fresh code."""
    stored_walk(embedded_store, "FRGUSDT")
    async with serving_strangers(backend(embedded_store)) as client:
        await log_in(client, uuid4().int >> 80)
        await set_up(client)
        yield client


def body_of(operation: dict[str, Any]) -> Any:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    return next(iter(content["examples"].values()))["value"] if content else None


def test_there_is_an_owner_for_every_kind_of_id():
    names = {part[1:-1] for _, path in ROUTES for part in path.split("/") if part.startswith("{")}
    assert names <= OWNED.keys()
    assert len(ROUTES) > 8


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a_foreign_id_is_answered_as_an_unknown_one(somebody: httpx.AsyncClient, method: str, path: str):
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    owned = {name: await OWNED[name](somebody) for name in names}
    unknown = {name: str(uuid4()) for name in names}
    answer = await somebody.post("/login/telegram/widget", json=fresh_login(uuid4().int >> 80))
    somebody.headers["Authorization"] = f"Bearer {answer.json()['token']}"
    await set_up(somebody)
    body = body_of(PATHS[path][method])
    answers = []
    for ids in (owned, unknown):
        answer = await somebody.request(method, path.format(**ids), json=body)
        text = json.dumps(answer.json())
        for name, value in ids.items():
            text = text.replace(value, name)
        answers.append((answer.status_code, text))
    assert answers[0] == answers[1]
    assert answers[0][0] == 404
