"""Layers around every request: ids, logs, metrics, HEAD and OPTIONS, health and readiness."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from candleray import __version__
from candleray.build import BUILD_HEADER, own_build, own_commit
from candleray.errors import ServiceUnavailable
from candleray.logs import configure_logs, get_logger, mask_credentials
from candleray.market_data.candle_store import CandleStore
from serve_apps.api import build_api
from serve_apps.http.behind_proxy import outside_serve
from serve_apps.http.readiness import check_readiness
from tests.support.api.in_process_api import backend, serving
from tests.support.canaries import LIBRARIES, watch_logs


@pytest.fixture
async def api(embedded_store: CandleStore) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(backend(embedded_store)) as client:
        yield client


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure_logs("INFO", stream)
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.NOTSET)
    yield stream
    watch_logs()


def lines(logged: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in logged.getvalue().splitlines()]


# Ids -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["7", "b952510e-15bc-4374", "job_1.2-3", "x" * 64])
async def test_a_sane_id_of_the_caller_is_kept(api, given):
    answer = await api.get("/health", headers={"X-Request-ID": given})
    assert answer.headers.get_list("X-Request-ID") == [given]


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "<script>", "a\tb", b"\xff\xfe"])
async def test_any_other_id_is_replaced(api, given):
    answer = await api.get("/health", headers={"X-Request-ID": given})
    (request_id,) = answer.headers.get_list("X-Request-ID")
    assert len(request_id) == 32
    assert request_id != given


async def test_every_request_has_its_own_id_and_errors_have_one_too(api):
    answers = [await api.get(path) for path in ("/health", "/health", "/nowhere")]
    assert len({answer.headers["X-Request-ID"] for answer in answers}) == 3


async def test_a_server_that_adds_the_id_again_does_not_double_it(embedded_store):
    async def echoing(scope: Any, receive: Any, send: Any) -> None:
        async def send_again(message: Any) -> None:
            if message["type"] == "http.response.start":
                given = dict(scope["headers"])[b"x-request-id"]
                message["headers"] = [*message["headers"], (b"x-request-id", given)]
            await send(message)

        await build_api(backend(embedded_store))(scope, receive, send_again)

    app: Any = echoing
    for layer in outside_serve():
        app = layer.cls(app, *layer.args, **layer.kwargs)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        answer = await client.get("/health", headers={"X-Request-ID": "not sane"})
    assert len(answer.headers.get_list("X-Request-ID")) == 1


# Logs ------------------------------------------------------------------------------------------------------------


async def test_a_request_is_one_line_of_json(api, logged):
    answer = await api.get("/indicators/sma?secret=1", headers={"X-Request-ID": "id-1"})
    (line,) = lines(logged)
    assert line["event"] == "request"
    assert (line["method"], line["route"], line["status"]) == ("GET", "/indicators/{indicator_id}", 200)
    assert (line["request_id"], line["bytes"]) == ("id-1", len(answer.content))
    assert line["duration_ms"] > 0
    assert "secret" not in logged.getvalue()


async def test_a_failure_is_logged_with_its_traceback_and_without_credentials(logged):
    class Broken:
        def coverage(self, *arguments: Any) -> Any:
            raise RuntimeError("lost clickhouse://admin:hunter2@host:8123/db")

    async with serving(backend(Broken())) as api:
        await api.get("/market-data/coverage", headers={"X-Request-ID": "id-2"})
    failure, request = lines(logged)
    assert failure["request_id"] == request["request_id"] == "id-2"
    assert "Traceback" in failure["exception"]
    assert "clickhouse://***@host:8123/db" in failure["exception"]
    assert "hunter2" not in logged.getvalue()


def test_libraries_log_in_the_same_form_from_warnings_on(logged):
    logging.getLogger("some.library").info("chatter")
    logging.getLogger("some.library").warning("at %s", "redis://:pw@host/0")
    get_logger("api").debug("detail")
    (line,) = lines(logged)
    assert (line["logger"], line["level"]) == ("some.library", "warning")
    assert line["event"] == "at redis://***@host/0"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://u:p@ss@h/db", "postgresql://***@h/db"),
        ("redis://h:1", "redis://h:1"),
        ("mail me@host", "mail me@host"),
    ],
)
def test_credentials_in_an_address_are_masked(text, shown):
    assert mask_credentials(text) == shown


# Metrics ---------------------------------------------------------------------------------------------------------


async def test_requests_are_counted_by_route_method_and_status(api):
    for path in ("/health", "/health", "/indicators/nonsense", "/made/up", "/made/up/too"):
        await api.get(path)
    told = (await api.get("/metrics")).text
    counted = 'candleray_api_requests_total{{method="GET",replica="here",route="{}",status="{}"}} {}'
    assert counted.format("/health", 200, 2.0) in told
    assert counted.format("/indicators/{indicator_id}", 404, 1.0) in told
    assert counted.format("unknown", 404, 2.0) in told
    assert 'candleray_api_request_seconds_count{method="GET",replica="here",route="/health"} 2.0' in told
    assert 'candleray_api_requests_in_flight{replica="here"} 1.0' in told


async def test_made_up_methods_are_one_series(api):
    for method in ("BREW", "STEEP"):
        assert (await api.request(method, "/health")).status_code == 405
    told = (await api.get("/metrics")).text
    assert 'method="other",replica="here",route="/health",status="405"} 2.0' in told


# HEAD and OPTIONS ------------------------------------------------------------------------------------------------


async def test_head_is_get_without_the_body(api):
    got, head = await api.get("/indicators"), await api.head("/indicators")
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["Content-Length"] == got.headers["Content-Length"]


async def test_options_lists_the_methods_of_a_path(api):
    answer = await api.options("/market-data/candles")
    assert (answer.status_code, answer.headers["Allow"]) == (204, "GET, HEAD, OPTIONS, POST")
    assert (await api.options("/nowhere")).status_code == 404


# Health and readiness --------------------------------------------------------------------------------------------


async def test_health_asks_nobody():
    async with serving(backend(object())) as api:
        told = (await api.get("/health")).json()
    assert told == {"status": "ok", "version": __version__, "commit": own_commit()}


async def test_every_answer_tells_the_build_that_gave_it(api):
    answers = [await api.get(path) for path in ("/health", "/nowhere", "/market-data/candles")]
    assert [answer.status_code for answer in answers] == [200, 404, 422]
    assert {answer.headers[BUILD_HEADER] for answer in answers} == {own_build()}


async def test_ready_names_each_service_and_how_fast_it_answers(api):
    answer = await api.get("/ready")
    assert answer.status_code == 200
    service = answer.json()["services"]["clickhouse"]
    assert (service["state"], service["reason"]) == ("up", None)
    assert service["latency_ms"] > 0


async def refused() -> None:
    raise ServiceUnavailable("Postgres at postgresql://host/db: connection refused")


async def test_a_service_that_is_down_makes_503_and_the_others_are_told_still(embedded_store):
    behind = backend(embedded_store)
    async with serving(behind, probes={**behind.probes, "postgres": refused}) as api:
        answer = await api.get("/ready")
    assert answer.status_code == 503
    body = answer.json()
    assert {name: told["state"] for name, told in body["services"].items()} == {
        "clickhouse": "up",
        "postgres": "down",
    }
    assert body["error"]["code"] == "service_unavailable"
    assert [problem["field"] for problem in body["error"]["problems"]] == ["postgres"]


async def test_a_service_that_hangs_is_waited_for_no_longer_than_the_timeout():
    readiness = await check_readiness({"ray": asyncio.Event().wait, "other": refused}, timeout_s=0.05)
    assert not readiness.ready
    assert readiness.services["ray"].reason == "no answer within 0.05 s"
    assert readiness.services["ray"].latency_ms < 2000


async def test_connections_are_let_go_of_when_the_replica_stops(embedded_store):
    closed = asyncio.Event()

    async def close() -> None:
        closed.set()

    app = build_api(replace(backend(embedded_store), close=close))
    async with app.router.lifespan_context(app):
        assert not closed.is_set()
    assert closed.is_set()
