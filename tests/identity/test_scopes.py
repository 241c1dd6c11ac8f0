"""The scope that each route needs, written down a second time; and the lock behind the layer that asks for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from serve_apps.api import build_api
from serve_apps.http.access import Authentication
from tests.support.api.accounts import log_in
from tests.support.api.api_document import Operation, operations
from tests.support.api.in_process_api import backend, serving_strangers

SCOPES: dict[str | None, str] = {
    None: """
        GET /health
        GET /login/telegram
        GET /metrics
        GET /ready
        GET /session
        GET /status
        POST /login/telegram/mini-app
        POST /login/telegram/widget
    """,
    "read": """
        GET /backtests/jobs
        GET /backtests/jobs/{job_id}
        GET /backtests/jobs/{job_id}/events
        GET /backtests/jobs/{job_id}/result
        GET /backtests/jobs/{job_id}/top
        GET /backtests/jobs/{job_id}/variant
        GET /backtests/jobs/{job_id}/verdict.svg
        GET /events
        GET /indicators
        GET /indicators/{indicator_id}
        GET /market-data/candles
        GET /market-data/counts
        GET /market-data/coverage
        GET /market-data/feeds
        GET /market-data/instruments
        GET /market-data/instruments/changes
        GET /market-data/markets
        GET /market-data/missing
        GET /market-data/revisions
        GET /market-data/subscription-requests
        GET /market-data/subscriptions
        GET /me
        GET /me/telegram
        GET /runs
        GET /runs/{run_id}
        GET /runs/{run_id}/certificate
        GET /runs/{run_id}/equity
        GET /runs/{run_id}/equity-curve
        GET /runs/{run_id}/events
        GET /runs/{run_id}/fills
        GET /runs/{run_id}/orders
        GET /runs/{run_id}/signals
        GET /runs/{run_id}/trades
        GET /strategies
        GET /strategies/{strategy_id}
        GET /trials
        GET /holdouts
        GET /holdouts/{holdout_id}
        POST /backtests
        POST /backtests/explain
        POST /backtests/null
        POST /backtests/preflight
        POST /backtests/report
        POST /backtests/report/curve
        POST /backtests/report/trades
        POST /backtests/robustness
        POST /certificates/verify
        POST /indicators/compute
        POST /logout
        POST /portfolios/backtests
        POST /portfolios/suggestions
    """,
    "trade": """
        DELETE /backtests/jobs/{job_id}
        DELETE /market-data/subscriptions/{market_id}/{symbol}
        DELETE /strategies/{strategy_id}
        POST /backtests/jobs
        POST /market-data/backfills
        POST /backtests/jobs/{job_id}/cancel
        POST /market-data/candles
        POST /market-data/instruments
        POST /market-data/instruments/refresh
        POST /market-data/subscription-requests
        POST /market-data/subscription-requests/{request_id}/accept
        POST /market-data/subscription-requests/{request_id}/refuse
        POST /market-data/subscriptions
        POST /holdouts/{holdout_id}/open
        POST /runs
        POST /runs/{run_id}/halt
        POST /runs/{run_id}/run
        POST /runs/{run_id}/stop
        POST /strategies
        POST /strategies/{strategy_id}/clone
    """,
    "account": """
        DELETE /exchange-keys/{key_id}
        DELETE /me/telegram
        DELETE /sessions
        DELETE /sessions/{session_id}
        DELETE /tokens/{token_id}
        GET /exchange-keys
        GET /second-factor
        GET /sessions
        GET /tokens
        POST /exchange-keys
        POST /me/telegram/link
        POST /second-factor
        POST /second-factor/confirm
        POST /second-factor/disable
        POST /second-factor/recovery-codes
        POST /second-factor/verify
        POST /tokens
        PUT /me/telegram/policy
    """,
}

LOGINS = ("/login/telegram/widget", "/login/telegram/mini-app")
CANDLES = ("/market-data/counts", "/market-data/coverage", "/market-data/instruments")
"""Need a candle store, which these tests have not."""


@pytest.fixture
async def api() -> AsyncIterator[httpx.AsyncClient]:
    """A client who sends no token of its own accord."""
    async with serving_strangers(backend(object())) as client:
        yield client


def path_of(operation: Operation) -> str:
    """Its path with a word for each id; a stream is asked to end at once."""
    path = operation.path.replace("{", "").replace("}", "")
    return f"{path}?for_s=0" if "for_s" in operation.query else path


def test_each_route_needs_the_scope_that_is_written_here():
    needed: dict[str | None, set[str]] = {}
    for operation in operations():
        needed.setdefault(operation.described.get("x-scope"), set()).add(str(operation))
    written = {scope: {line.strip() for line in lines.strip().splitlines()} for scope, lines in SCOPES.items()}
    assert needed == written


async def test_a_token_does_what_its_scope_allows_and_nothing_else(api: httpx.AsyncClient):
    session = {"Authorization": f"Bearer {await log_in(api)}"}
    del api.headers["Authorization"]
    for scope in ("read", "trade", "account"):
        made = await api.post("/tokens", json={"name": scope, "scopes": [scope]}, headers=session)
        headers = {"Authorization": f"Bearer {made.json()['token']}"}
        for operation in operations():
            needed = operation.described.get("x-scope")
            if needed is None or operation.path == "/logout" or (needed == scope and operation.path in CANDLES):
                continue
            answer = await api.request(operation.method, path_of(operation), content=b"{ no json", headers=headers)
            lacks = f"this token lacks the scope {needed!r}" in answer.text
            assert (answer.status_code == 403 and lacks) == (needed != scope), (operation, answer.text)
            remedy = f"it has {scope}: `candleray tokens create NAME --scope {needed}` makes one"
            assert (remedy in answer.text) == lacks


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ({}, ["read"]),
        ({"scopes": ["trade"]}, ["trade"]),
        ({"scopes": ["account", "read"]}, ["read", "account"]),
        ({"scopes": ["read", "read", "read"]}, ["read"]),
        ({"scopes": []}, None),
        ({"scopes": None}, None),
        ({"scopes": ["write"]}, None),
        ({"scopes": "read"}, None),
    ],
)
async def test_a_token_has_the_scopes_that_were_asked_for_and_by_default_may_read_alone(
    api: httpx.AsyncClient, asked: dict[str, Any], given: list[str] | None
):
    await log_in(api)
    answer = await api.post("/tokens", json={"name": "a notebook", **asked})
    if given is None:
        assert answer.status_code == 422
        return
    made = answer.raise_for_status().json()
    assert made["info"]["scopes"] == given
    headers = {"Authorization": f"Bearer {made['token']}"}
    tried = (
        ("read", "GET", "/me", None),
        ("trade", "POST", "/strategies", {}),
        ("account", "GET", "/tokens", None),
    )
    may = [
        scope
        for scope, method, path, body in tried
        if (await api.request(method, path, json=body, headers=headers)).status_code != 403
    ]
    assert may == given


async def test_without_the_layer_that_asks_who_is_there_every_route_but_the_public_ones_is_closed():
    behind = backend(object())
    app = build_api(behind)
    app.user_middleware = [layer for layer in app.user_middleware if layer.cls is not Authentication]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        for operation in operations():
            if operation.path not in LOGINS:
                body = next(iter(operation.bodies), {})
                answer = await client.request(operation.method, path_of(operation), json=body)
                assert (answer.status_code == 401) == (not operation.is_public), (operation, answer.text)
    await behind.close()
