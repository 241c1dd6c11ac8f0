"""Handles: any replica reads them, and nothing but what they say."""

from __future__ import annotations

import random
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest

from candleray import Client, NotFound
from candleray.agents import handles
from candleray.agents.handles import KINDS, MOST_PACKED, exact_backtest, exact_report, read_exact

REQUEST: dict[str, Any] = {"instrument": {"market_id": 1, "symbol": "SOLUSDT"}, "timeframe": "1h"}


def asked(handle: str) -> tuple[str, str, dict[str, str], bytes]:
    """The request that reading the handle makes."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=b"{}")

    with Client("http://api", token="crt_x", transport=httpx.MockTransport(answer)) as client:
        read_exact(client, handle)
    (request,) = seen
    query = dict(parse_qsl(request.url.query.decode()))
    return request.method, request.url.raw_path.decode().partition("?")[0], query, request.content


def test_a_request_comes_back_out_of_its_handle():
    handle = exact_report(REQUEST, 7)
    assert handle is not None
    method, path, query, body = asked(handle)
    assert (method, path, query) == ("POST", "/backtests/report", {"variant_index": "7"})
    assert httpx.Response(200, content=body).json() == REQUEST


def test_a_request_that_is_too_long_has_no_handle():
    drawn = random.Random(1)
    assert exact_backtest({"let": [drawn.random() for _ in range(MOST_PACKED)]}) is None


@pytest.mark.parametrize(
    ("handle", "path"),
    [
        (handles.INDICATORS, "/indicators"),
        (handles.indicator_of("rsi"), "/indicators/rsi"),
        (f"{handles.STRATEGIES}/..%2F..%2Fme", "/strategies/..%2F..%2Fme"),
        (f"{handles.STRATEGIES}/..", "/strategies/%2E%2E"),
        ("candleray://jobs/%2e%2e/top", "/backtests/jobs/%2E%2E/top"),
        ("candleray://runs/./certificate", "/runs/%2E/certificate"),
    ],
)
def test_what_a_handle_names_stays_below_its_route(handle: str, path: str):
    assert asked(handle)[1] == path


@pytest.mark.parametrize(
    "handle",
    [
        "",
        "candleray://",
        "candleray://me",
        "http://other/indicators",
        "candleray://strategies/",
        "candleray://jobs/1/2/3",
    ],
)
def test_what_is_no_handle_is_answered_with_those_there_are(handle: str):
    with (
        Client("http://api", token="crt_x") as client,
        pytest.raises(NotFound, match=r"candleray://jobs/\{id\}/top"),
    ):
        read_exact(client, handle)


@pytest.mark.parametrize("packed", ["x", "AAAA", "eNrLSM3JyQcABiwCFQ", "é"])
def test_a_damaged_handle_is_told_so(packed: str):
    # The third is whole, and no request: the API says so.
    handle = f"candleray://backtests/{packed}"
    if packed.startswith("eN"):
        assert asked(handle)[3] == b"hello"
        return
    with Client("http://api", token="crt_x") as client, pytest.raises(NotFound, match="holds no request"):
        read_exact(client, handle)


def test_every_kind_of_handle_says_what_it_holds():
    assert len({kind.template for kind in KINDS}) == len(KINDS)
    assert all(kind.holds for kind in KINDS)
