"""References: whatever takes an id takes the beginning of one, and a name where there are names."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import pytest

from candleray import Client, InvalidInput, NotFound

ALIKE = ("3f2a9c1b-0000-4000-8000-000000000001", "3f2a9c1b-0000-4000-8000-000000000002")
OTHER = "b0c1d2e3-0000-4000-8000-000000000003"
NAMES = ("BTCUSDT-1h-sma20-aaaaaaaa", "BTCUSDT-1h-sma200-bbbbbbbb", "fade-cccccccc")
STRATEGIES = [{"strategy_id": key, "name": name} for key, name in zip((*ALIKE, OTHER), NAMES, strict=True)]
JOBS = [{"job_id": key, "state": "running", "created_at": "2025-01-01T00:00:00Z"} for key in (*ALIKE, OTHER)]
RUNS = [{"run_id": key, "state": "running", "state_since": "2025-01-01T00:00:00Z"} for key in (*ALIKE, OTHER)]
TOKENS = [
    {"token_id": key, "name": name, "created_at": "2025"} for key, name in ((OTHER, "book"), (ALIKE[0], "ci1"))
]
WISHES = [{"request_id": key, "market_id": 1, "symbol": "BTCUSDT", "state": "waiting"} for key in (*ALIKE, OTHER)]
KEYS = [{"key_id": key, "label": "main", "exchange": "binance"} for key in ALIKE]
LISTS: dict[str, Any] = {
    "/strategies": STRATEGIES,
    "/backtests/jobs": JOBS,
    "/runs": RUNS,
    "/tokens": TOKENS,
    "/sessions": TOKENS,
    "/exchange-keys": KEYS,
    "/market-data/subscription-requests": WISHES,
}
PAGES = {
    "/strategies": "strategies",
    "/backtests/jobs": "jobs",
    "/runs": "runs",
    "/market-data/subscription-requests": "requests",
}


class Api:
    """An API of these lists, two entries a page, which notes every request."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bytes]] = []
        self.client = Client("http://host", token="one", transport=httpx.MockTransport(self.answer))

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.seen.append((f"{request.method} {path}", request.content))
        if request.method != "GET" or path not in LISTS:
            return httpx.Response(404, json={"error": {"code": "not_found", "message": "seen", "problems": []}})
        if path not in PAGES:
            return httpx.Response(200, json=LISTS[path])
        part = request.url.params.get("name")
        wanted = [entry for entry in LISTS[path] if not part or part in entry["name"]]
        first = int(request.url.params.get("cursor", 0))
        following = str(first + 2) if first + 2 < len(wanted) else None
        return httpx.Response(200, json={PAGES[path]: wanted[first : first + 2], "next_cursor": following})

    def asked(self, act: Callable[[Client], object]) -> str:
        """The last request that this makes; what is answered does not matter."""
        with pytest.raises(NotFound, match="seen"):
            act(self.client)
        return self.seen[-1][0]


@pytest.fixture
def api() -> Api:
    return Api()


USES: list[tuple[Callable[[Client], object], str]] = [
    (lambda client: client.job("b0c1").status(), f"GET /backtests/jobs/{OTHER}"),
    (lambda client: client.job(" B0C1D2E3-0000 ").cancel(), f"POST /backtests/jobs/{OTHER}/cancel"),
    (lambda client: client.strategy("b0c1d2e3"), f"GET /strategies/{OTHER}"),
    (lambda client: client.strategy("FADE-cccccccc"), f"GET /strategies/{OTHER}"),
    (lambda client: client.strategy("BTCUSDT-1h-sma20-"), f"GET /strategies/{ALIKE[0]}"),
    (lambda client: client.clone_strategy("fade", {}), f"POST /strategies/{OTHER}/clone"),
    (lambda client: client.delete_strategy("fade"), f"DELETE /strategies/{OTHER}"),
    (lambda client: client.run("b0c1"), f"GET /runs/{OTHER}"),
    (lambda client: client.stop_run("b0c1"), f"POST /runs/{OTHER}/stop"),
    (lambda client: client.restart_run("b0c1"), f"POST /runs/{OTHER}/run"),
    (
        lambda client: client.accept_subscription_request("b0c1"),
        f"POST /market-data/subscription-requests/{OTHER}/accept",
    ),
    (lambda client: client.revoke_token("book"), f"DELETE /tokens/{OTHER}"),
    (lambda client: client.revoke_session("b0c1"), f"DELETE /sessions/{OTHER}"),
    (lambda client: client.delete_exchange_key(ALIKE[1][:36]), f"DELETE /exchange-keys/{ALIKE[1]}"),
]


@pytest.mark.parametrize(("act", "request_line"), USES)
def test_the_beginning_of_an_id_or_a_name_is_enough(
    api: Api, act: Callable[[Client], object], request_line: str
) -> None:
    assert api.asked(act) == request_line


def test_bodies_that_name_a_strategy_or_a_job_carry_the_whole_id(api: Api) -> None:
    for act in (
        lambda client: client.start_run("fade"),
        lambda client: client.backtest({"strategy_id": "fade", "time_range": {}}),
        lambda client: client.submit(b'{"strategy_id": "fade"}'),
        lambda client: client.preflight({"strategy_id": "b0c1d2e3"}),
    ):
        api.asked(act)
        assert json.loads(api.seen[-1][1])["strategy_id"] == OTHER
    api.asked(lambda client: client.save_job_variant("b0c1", 2))
    assert json.loads(api.seen[-1][1])["variant"]["job_id"] == OTHER


def test_a_whole_id_costs_no_request(api: Api) -> None:
    api.asked(lambda client: client.job(UUID(OTHER)).status())
    api.asked(lambda client: client.delete_strategy(OTHER))
    assert [line for line, _ in api.seen] == [f"GET /backtests/jobs/{OTHER}", f"DELETE /strategies/{OTHER}"]


@pytest.mark.parametrize(
    "act", [lambda c: c.job("3f2a"), lambda c: c.run("3f2a9c1b-0000"), lambda c: c.strategy("BTCUSDT")]
)
def test_what_several_may_be_meant_by_is_an_error_that_lists_them(
    api: Api, act: Callable[[Client], object]
) -> None:
    with pytest.raises(InvalidInput) as caught:
        act(api.client)
    assert "may mean 2 entries" in str(caught.value)
    assert all(key in str(caught.value) for key in ALIKE)
    assert OTHER not in str(caught.value)


@pytest.mark.parametrize(
    "act", [lambda c: c.job("nosuch"), lambda c: c.strategy("no such"), lambda c: c.run("0000")]
)
def test_what_none_is_meant_by_says_what_may_be_given(api: Api, act: Callable[[Client], object]) -> None:
    with pytest.raises(NotFound, match=r"of yours is meant by .*: give the id of a .* first 4 or more characters"):
        act(api.client)


def test_three_characters_are_too_few(api: Api) -> None:
    with pytest.raises(InvalidInput, match="'b0c' is too short"):
        api.client.job("b0c")
    assert api.seen == []
