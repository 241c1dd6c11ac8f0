"""The API over a real port: what a server and a socket make of its answers."""

from __future__ import annotations

import http.client
import json
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import Response, StreamingResponse

from candleray.market_data.arrow_stream import ARROW
from candleray.market_data.candle_store import CandleStore
from candleray.sdk.credentials import token_for
from candleray.settings import Settings
from cluster.instance.environment import settings_environment
from serve_apps.api import build_api
from tests.support.api.accounts import GRID
from tests.support.api.in_process_api import backend, fresh_login, stored_walk
from tests.support.api.served import served, served_api

CANDLES = "/market-data/candles?market_id=1&symbol=PORTUSDT&limit=3"


@pytest.fixture(scope="module")
def url(embedded_store: CandleStore) -> Iterator[str]:
    stored_walk(embedded_store, "PORTUSDT")
    stored_walk(embedded_store, "BTCUSDT")
    with served_api(embedded_store) as address:
        yield address


@pytest.fixture
def api(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token_for(url)}"}) as client:
        yield client


# Answers that break off -----------------------------------------------------------------------------------------


async def half() -> AsyncIterator[bytes]:
    yield b"half of "
    raise RuntimeError("the rest is not there")


async def streamed() -> Response:
    return StreamingResponse(half(), media_type="text/plain")


async def declared() -> Response:
    return StreamingResponse(half(), media_type="text/plain", headers={"Content-Length": "16"})


async def nothing() -> Response:
    raise RuntimeError("not even a beginning")


@pytest.fixture(scope="module")
def breaking() -> FastAPI:
    """The API with routes that fail on the way."""
    app = build_api(backend(object()))
    for route in (streamed, declared, nothing):
        app.add_api_route(f"/{route.__name__}", route)
    return app


@pytest.mark.parametrize("path", ["/streamed", "/declared"])
def test_half_an_answer_does_not_look_like_a_whole_one(breaking: FastAPI, path: str):
    with served(breaking) as address, httpx.Client(base_url=address) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(path)
        assert client.get("/health").status_code == 200


@pytest.mark.parametrize("path", ["/streamed", "/declared"])
async def test_half_an_answer_is_an_error_of_the_application(breaking: FastAPI, path: str):
    """Some servers end the answer of an application that returns: it must not return."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(breaking), base_url="http://api") as client:
        with pytest.raises(RuntimeError, match="the rest is not there"):
            await client.get(path)


def test_a_failure_before_the_beginning_is_a_whole_answer(breaking: FastAPI):
    with served(breaking) as address, httpx.Client(base_url=address) as client:
        answer = client.get("/nothing")
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
        assert client.get("/health").status_code == 200


# Caches ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("accept", ["*/*", "application/json", ARROW])
def test_what_depends_on_what_is_accepted_says_so(api: httpx.Client, method: str, accept: str):
    answer = api.request(method, CANDLES, headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == (ARROW if accept == ARROW else "application/json")
    assert answer.headers["Vary"] == "Accept"
    assert answer.headers["Cache-Control"] == "private, no-store"


def test_head_sends_no_byte_that_the_next_answer_would_begin_with(url: str):
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    headers = {"Authorization": f"Bearer {token_for(url)}"}
    lengths = []
    for method in ("HEAD", "GET", "HEAD", "GET"):
        connection.request(method, CANDLES, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        assert (answer.status, bool(body)) == (200, method == "GET")
        assert not body or json.loads(body)["instrument"]["symbol"] == "PORTUSDT"
        lengths.append(answer.headers["Content-Length"])
    assert len(set(lengths)) == 1
    connection.close()


# Streams --------------------------------------------------------------------------------------------------------


def test_the_events_of_a_job_come_while_it_goes_on_and_end_whole(api: httpx.Client):
    job_id = api.post("/backtests/jobs", json=GRID).raise_for_status().json()["job_id"]
    with api.stream("GET", f"/backtests/jobs/{job_id}/events") as answer:
        assert (answer.headers["Content-Type"].partition(";")[0], answer.status_code) == ("text/event-stream", 200)
        lines = answer.iter_lines()
        assert next(lines) == "event: progress"
        assert json.loads(next(lines).removeprefix("data: "))["cancel_requested"] is False
        api.post(f"/backtests/jobs/{job_id}/cancel").raise_for_status()
        told = [
            json.loads(line.removeprefix("data: ")) for line in until(lines, "cancel_requested") if "data" in line
        ]
        assert told[-1]["cancel_requested"] is True


def until(lines: Iterator[str], word: str) -> Iterator[str]:
    for line in lines:
        yield line
        if f'"{word}":true' in line:
            return


# Addresses ------------------------------------------------------------------------------------------------------


def test_a_server_of_ours_believes_no_address_that_a_caller_writes(
    embedded_store: CandleStore, monkeypatch: pytest.MonkeyPatch
):
    for name, value in settings_environment(Settings(environment="test")).items():
        monkeypatch.setenv(name, value)
    behind = backend(embedded_store, identity={"logins_per_minute": 3})
    forged = {**fresh_login(7), "id": 8}
    with served(build_api(behind)) as address, httpx.Client(base_url=address) as client:
        statuses = [
            client.post(
                "/login/telegram/widget",
                json=forged,
                headers={"X-Forwarded-For": f"10.{uuid4().int % 200}.0.{number}", "X-Forwarded-Proto": "https"},
            ).status_code
            for number in range(6)
        ]
    assert statuses[-1] == 429
