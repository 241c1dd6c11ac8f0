"""Slots, deadlines and bodies at a real port: who sends slowly or much takes nothing from others."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from candleray.sdk.credentials import token_for
from serve_apps.api import build_api
from tests.support.api.in_process_api import backend, fresh_login
from tests.support.api.served import served
from tests.support.canaries import watched
from tests.support.instances.slow_callers import LOGIN, answer_of, many_stalled, stalled
from tests.support.waiting import PATIENCE_S

TIMEOUT_S = 0.5


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    rules = {"request_timeout_s": TIMEOUT_S, "body_timeout_s": 2 * TIMEOUT_S, "max_requests_per_user": 3}
    rules |= {"max_ongoing_requests": 6, "max_waiting_per_user": 2, "slot_wait_s": 0.2}
    # A connection that was answered and is not closed would be waited for five seconds.
    with served(watched(build_api(backend(object(), api=rules))), timeout_keep_alive=1) as address:
        yield address


@pytest.fixture
def token(url: str) -> str:
    return str(httpx.post(url + LOGIN, json=fresh_login(1), timeout=60).raise_for_status().json()["token"])


def port_of(url: str) -> int:
    return httpx.URL(url).port or 80


@pytest.mark.parametrize("path", [LOGIN, "/login/telegram/mini-app"])
def test_a_body_that_stops_on_a_public_route_is_answered_and_its_connection_closed(url: str, path: str) -> None:
    with stalled(port_of(url), path) as connection:
        told = answer_of(connection)
    assert told.startswith("HTTP/1.1 408")
    assert "request_timeout" in told
    assert "retry-after: 1" in told.lower()


def test_so_is_the_body_of_a_known_caller(url: str, token: str) -> None:
    with stalled(port_of(url), "/strategies", token) as connection:
        assert answer_of(connection).startswith("HTTP/1.1 408")


def test_stalled_bodies_of_strangers_keep_no_slot_from_a_user(url: str, token: str) -> None:
    with many_stalled(port_of(url), 40, LOGIN):
        me = httpx.get(f"{url}/me", headers={"Authorization": f"Bearer {token}"}, timeout=60)
        assert me.status_code == 200
        assert httpx.get(f"{url}/health", timeout=60).status_code == 200


def test_stalled_bodies_of_one_user_keep_no_slot_from_another(url: str, token: str) -> None:
    other = str(httpx.post(url + LOGIN, json=fresh_login(2), timeout=60).raise_for_status().json()["token"])
    with many_stalled(port_of(url), 20, "/strategies", token) as connections:
        time.sleep(0.1)
        assert httpx.get(f"{url}/me", headers={"Authorization": f"Bearer {other}"}, timeout=60).status_code == 200
        statuses = sorted({answer_of(connection).split()[1] for connection in connections})
    assert statuses == ["408", "429"]


def test_a_large_body_is_refused_on_a_public_route(url: str) -> None:
    with stalled(port_of(url), LOGIN, length=16_385) as connection:
        told = answer_of(connection)
    assert told.startswith("HTTP/1.1 413")
    assert "limit of 16384 bytes" in told


def test_a_body_in_pieces_is_refused_once_it_is_too_long(url: str) -> None:
    pieces = (b" " * 4096 for _ in range(8))
    refused = httpx.post(url + LOGIN, content=pieces, headers={"Content-Type": "application/json"}, timeout=60)
    assert refused.status_code == 413


def test_nothing_of_a_stranger_s_large_body_is_read(url: str) -> None:
    with stalled(port_of(url), "/market-data/candles?market_id=1&symbol=X", length=900_000) as connection:
        assert answer_of(connection).startswith("HTTP/1.1 401")


def test_every_answer_has_headers_that_keep_browsers_from_misusing_it(url: str) -> None:
    for path in ("/health", "/me", "/nowhere", "/docs"):
        headers = httpx.get(url + path, timeout=PATIENCE_S).headers
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert headers["X-Frame-Options"] == "DENY", path
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], path
    assert token_for(url) is None
