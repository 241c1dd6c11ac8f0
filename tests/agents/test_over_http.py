"""The door at `/mcp` of the API: one message a request, the caller's own token, and the API's own refusals."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import httpx2
import pytest
from mcp.client.streamable_http import streamable_http_client

from candleray import Client
from candleray.databases.postgres import Postgres
from candleray.identity.models import WidgetLogin
from candleray.identity.tokens import token_hash
from candleray.market_data.candle_store import CandleStore
from candleray.sdk.credentials import token_for
from serve_apps import agent_calls
from serve_apps.api import build_api
from tests.support.agents.assistant import Assistant, assistant_over, refusal_in
from tests.support.agents.endless_search import EndlessSearch
from tests.support.agents.small_search import REQUEST, SYMBOL
from tests.support.api.in_process_api import backend, fresh_login, stored_walk
from tests.support.api.served import served, served_api
from tests.support.canaries import watched
from tests.support.waiting import let_work_until

MESSAGE = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}

ACCEPT = "application/json, text/event-stream"

endless = EndlessSearch()


@pytest.fixture(scope="module")
def api_url(embedded_store: CandleStore) -> Iterator[str]:
    stored_walk(embedded_store, SYMBOL, 3000)
    with served_api(embedded_store, run_backtest=endless) as url:
        yield url


@asynccontextmanager
async def at(url: str, token: str | None = None, **options: Any) -> AsyncIterator[Assistant]:
    headers = {"Authorization": f"Bearer {token or token_for(url)}"}
    http = httpx2.AsyncClient(headers=headers, timeout=120)
    transport = streamable_http_client(f"{url}/mcp", http_client=http)
    async with http, assistant_over(transport, **options) as assistant:
        yield assistant


def posted(url: str, token: str | None) -> httpx.Response:
    return httpx.post(f"{url}/mcp", json=MESSAGE, headers={"Authorization": f"Bearer {token}"})


async def expire(postgres: Postgres, token: str) -> None:
    """Bring about what only time would."""
    async with postgres.connection() as connection:
        change = "UPDATE access_tokens SET expires_at = now() - interval '1 second' WHERE token_hash = $1"
        await connection.execute(change, token_hash(token))


@pytest.mark.parametrize("era", ["auto", "legacy"])
async def test_assistants_of_this_year_and_of_last_year_call_tools(api_url: str, era: str):
    async with at(api_url, mode=era) as assistant:
        assert (await assistant.call("preflight", request=REQUEST))["variants_total"] == 7
        found = await assistant.call("find_instruments", letters="agent")
        assert found["instruments"][0]["instrument"] == REQUEST["instrument"]
        told = await assistant.refusal("preflight", request={**REQUEST, "indicators": [{"id": "smaa"}]})
        assert "did you mean 'sma'" in told["message"]


async def test_a_job_tells_of_itself_and_goes_on_when_the_connection_is_lost(api_url: str):
    told: list[str] = []

    async def tell(done: float, total: float | None, words: str | None) -> None:
        told.append(words or "")

    async with at(api_url) as assistant:
        arguments = {"request": REQUEST, "wait_s": 120}
        waiting = asyncio.create_task(assistant.client.call_tool("submit_job", arguments, progress_callback=tell))
        await let_work_until(lambda: bool(told))
        waiting.cancel()
    async with at(api_url) as again:
        (newest, *_) = (await again.call("follow_job"))["jobs"]
        assert newest["state"] == "queued"
        assert (await again.call("cancel_job", job=newest["job_id"]))["cancel_requested"]


async def test_a_search_that_is_waited_for_ends_when_the_caller_hangs_up(api_url: str):
    async with at(api_url) as assistant:
        waiting = asyncio.create_task(assistant.client.call_tool("backtest", {"request": REQUEST}))
        await let_work_until(lambda: endless.begun > endless.cancelled)
        waiting.cancel()
        await let_work_until(lambda: endless.begun == endless.cancelled)


@pytest.mark.parametrize("ended_by", ["revoked", "expired"])
async def test_a_token_that_ends_in_the_middle_is_refused_as_by_the_api(
    api_url: str, postgres: Postgres, ended_by: str
):
    with Client(api_url) as client:
        created = client.create_token({"name": "middle", "scopes": ["read", "trade"]})
        job = client.submit(REQUEST)
        async with at(api_url, token=created.token) as assistant:
            following = asyncio.create_task(
                assistant.client.call_tool("follow_job", {"job": str(job.job_id), "wait_s": 120})
            )
            assert (await assistant.call("follow_job", job=str(job.job_id), wait_s=0))["job"]["state"] == "queued"
            if ended_by == "revoked":
                client.revoke_token(created.info.token_id)
            else:
                await expire(postgres, created.token)
            assert refusal_in(await following)["code"] == "unauthenticated"
        job.cancel()
    assert posted(api_url, created.token).status_code == 401


async def test_calls_have_a_share_of_their_own_and_leave_requests_theirs(embedded_store: CandleStore):
    behind = backend(embedded_store, api={"max_agent_calls": 8, "slot_wait_s": 0.2})
    with served(watched(build_api(behind))) as url, Client(url) as anybody:
        token = anybody.log_in(WidgetLogin(**fresh_login(7))).token
        told: list[str] = []

        async def tell(done: float, total: float | None, words: str | None) -> None:
            told.append(words or "")

        async with at(url, token=token) as assistant:
            arguments = {"request": REQUEST, "wait_s": 120}
            waiting = asyncio.create_task(
                assistant.client.call_tool("submit_job", arguments, progress_callback=tell)
            )
            await let_work_until(lambda: bool(told))
            refused = await asyncio.to_thread(posted, url, token)
            assert (refused.status_code, "calls of assistants" in refused.text) == (429, True)
            with Client(url, token=token) as client:
                assert client.jobs(limit=1)[0].cancel().cancel_requested
            waiting.cancel()


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer crt_x"}, {"Cookie": "candleray_session=x"}])
def test_without_a_token_nobody_is_answered(api_url: str, headers: dict[str, str]):
    answer = httpx.post(f"{api_url}/mcp", json=MESSAGE, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthenticated")


def test_a_token_of_another_scope_is_refused_at_the_door(api_url: str):
    with Client(api_url) as client:
        token = client.create_token({"name": "trader", "scopes": ["trade"]}).token
    answer = posted(api_url, token)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://[", "http://localhost.evil.example"])
def test_a_page_of_another_site_is_refused(api_url: str, origin: str):
    def asked(origin: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token_for(api_url)}", "Origin": origin, "Accept": ACCEPT}
        return httpx.post(f"{api_url}/mcp", json=MESSAGE, headers=headers)

    assert (asked(origin).status_code, asked(origin).json()["error"]["code"]) == (403, "forbidden")
    assert asked(api_url).status_code == 200


def test_there_is_no_session_to_open_or_to_end(api_url: str):
    for method in ("GET", "DELETE"):
        assert httpx.request(method, f"{api_url}/mcp").status_code == 405


def test_an_instance_without_the_extra_says_how_to_get_it(api_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(agent_calls, "find_spec", lambda name: None)
    answer = posted(api_url, token_for(api_url))
    assert (answer.status_code, "candleray[agents]" in json.dumps(answer.json())) == (404, True)
