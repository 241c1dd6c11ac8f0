"""Somebody at the API: logged in, past a second factor, with something of each kind that a user may own."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pyotp

from candleray.timeframes import MINUTE_MS, iso
from serve_apps.examples import strategies as strategy_examples
from tests.support.api.in_process_api import OPERATORS, START_MS, fresh_login

KEY = {"exchange": "binance", "label": "main", "api_key": "an-api-key-1234", "api_secret": "its-own-secret"}

GRID: dict[str, Any] = {
    "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
    "timeframe": "5m",
    "time_range": {"start": iso(START_MS + 1440 * MINUTE_MS), "end": iso(START_MS + 2160 * MINUTE_MS)},
    "indicators": [{"id": "sma", "params": {"window": {"values": [10, 20]}}}],
}
"""Over half a day of `stored_walk(store, "BTCUSDT")`."""


async def log_in(client: httpx.AsyncClient, telegram_user_id: int | None = None) -> str:
    """The token of a new session, which the client carries from now on; by default somebody new."""
    login = fresh_login(telegram_user_id or uuid4().int >> 80)
    token = str((await client.post("/login/telegram/widget", json=login)).raise_for_status().json()["token"])
    client.headers["Authorization"] = f"Bearer {token}"
    return token


async def log_in_operator(client: httpx.AsyncClient) -> str:
    """The token of a new session of a new operator, which the client carries from now on."""
    return await log_in(client, next(NEW_OPERATORS))


NEW_OPERATORS = iter(OPERATORS[1:])
"""Telegram ids of operators; none comes twice in a process."""


async def post_code(api: httpx.AsyncClient, path: str, code: str | None = None) -> httpx.Response:
    return await api.post(f"/second-factor{path}", json={} if code is None else {"code": code})


async def set_up(api: httpx.AsyncClient) -> tuple[pyotp.TOTP, list[str]]:
    """The authenticator, whose last step's code is spent, and the recovery codes."""
    totp = pyotp.TOTP((await post_code(api, "")).json()["secret"])
    for _ in range(3):  # a step may end between here and there
        answer = await post_code(api, "/confirm", totp.at(int(time.time()) - 30))
        if answer.status_code != 403:
            break
    assert answer.status_code == 200, answer.text
    return totp, answer.json()["recovery_codes"]


async def strategy_id(api: httpx.AsyncClient) -> str:
    return await _posted(api, "/strategies", strategy_examples.NEW_STRATEGIES["variant"]["value"], "strategy_id")


async def run_id(api: httpx.AsyncClient) -> str:
    running = (await api.get("/runs", params={"limit": 1})).json()["runs"]
    if running:
        return str(running[0]["run_id"])
    return await _posted(api, "/runs", {"strategy_id": await strategy_id(api)}, "run_id")


async def job_id(api: httpx.AsyncClient) -> str:
    return await _posted(api, "/backtests/jobs", GRID, "job_id")


async def holdout_id(api: httpx.AsyncClient) -> str:
    """Seal candles that no other example reads; that there are none to search does not matter."""
    grid = {**GRID, "instrument": {"market_id": 1, "symbol": "HELDUSDT"}, "holdout": {"months": 1}}
    times = {"start": "2025-01-01T00:00:00Z", "end": "2025-06-01T00:00:00Z"}
    await api.post("/backtests", json={**grid, "time_range": times})
    return str((await api.get("/holdouts")).json()["holdouts"][0]["holdout_id"])


async def session_id(api: httpx.AsyncClient) -> str:
    return str((await api.get("/sessions")).json()[0]["token_id"])


async def token_id(api: httpx.AsyncClient) -> str:
    return str((await api.post("/tokens", json={"name": "mine"})).json()["info"]["token_id"])


async def key_id(api: httpx.AsyncClient) -> str:
    return await _posted(api, "/exchange-keys", KEY, "key_id")


async def _posted(api: httpx.AsyncClient, path: str, body: Any, field: str) -> str:
    answer = await api.post(path, json=body)
    assert answer.is_success, answer.text
    return str(answer.json()[field])


OWNED: dict[str, Callable[[httpx.AsyncClient], Awaitable[str]]] = {
    make.__name__: make for make in (strategy_id, run_id, job_id, holdout_id, session_id, token_id, key_id)
}
"""Makers of one of each kind, which return its id, by the name that routes and bodies have for it."""
