"""Addresses of an instance that must answer."""

from __future__ import annotations

from collections.abc import Callable

import psutil
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from cluster.instance import endpoint as endpoint_module
from cluster.instance.endpoint import MEND_TIMEOUT_S, PROBE_EVERY_S, Endpoint, answers
from tests.support.api.served import served
from tests.support.hand_clock import HandClock
from tests.support.instances.processes import started


def answering(status: int) -> Callable[..., object]:
    async def app(scope: dict[str, object], receive: object, send: object) -> None:
        assert Request(scope).method == "GET"
        await PlainTextResponse("", status)(scope, receive, send)  # type: ignore[arg-type]

    return app


@pytest.mark.parametrize(
    ("status", "counts"), [(200, True), (401, True), (404, False), (500, False), (503, False)]
)
def test_an_answer_counts_unless_the_path_is_not_there_or_the_server_fails(status: int, counts: bool) -> None:
    with served(answering(status)) as url:
        assert answers(f"{url}/health") is counts


def test_an_address_is_mended_after_some_attempts_and_lost_when_that_did_not_help(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = HandClock()
    monkeypatch.setattr(endpoint_module.time, "monotonic", clock)
    monkeypatch.setattr(endpoint_module, "answers", lambda url, door: url == "alive")
    endpoint = Endpoint("api", "dead", attempts=3)

    def look() -> str:
        clock.now_s += 2
        return endpoint.look()

    assert [look() for _ in range(4)] == ["fine", "fine", "mend", "fine"]
    clock.now_s += 45
    assert look() == "lost"
    endpoint.url = "alive"
    assert look() == "fine"
    endpoint.url = "dead"
    assert [look() for _ in range(3)] == ["fine", "fine", "mend"]


def test_an_address_whose_process_has_ended_is_mended_at_once_whoever_answers_there() -> None:
    with served(answering(200)) as url, started("sleep", "600") as sleeper:
        endpoint = Endpoint("dashboard", url, attempts=3, process=psutil.Process(sleeper.pid))
        endpoint._asked_at = 0.0
        assert endpoint.look() == "fine"
        sleeper.kill()
        sleeper.wait()
        endpoint._asked_at = 0.0
        assert endpoint.look() == "mend"


def test_another_process_that_answers_in_its_place_mends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = HandClock()
    monkeypatch.setattr(endpoint_module.time, "monotonic", clock)
    with served(answering(200)) as url, started("sleep", "600") as sleeper:
        endpoint = Endpoint("dashboard", url, attempts=3, process=psutil.Process(sleeper.pid))
        sleeper.kill()
        sleeper.wait()
        clock.now_s += PROBE_EVERY_S
        assert endpoint.look() == "mend"
        clock.now_s += MEND_TIMEOUT_S + PROBE_EVERY_S
        assert endpoint.look() == "lost"
