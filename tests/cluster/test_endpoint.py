"""What the supervisor goes by: pauses that grow, addresses that must answer."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import psutil
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from cluster.instance import endpoint as endpoint_module
from cluster.instance.back_off import LASTED_S, BackOff
from cluster.instance.endpoint import Endpoint, answers
from tests.support.served import served


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def answering(status: int) -> Callable[..., object]:
    async def app(scope: dict[str, object], receive: object, send: object) -> None:
        assert Request(scope).method == "GET"
        await PlainTextResponse("", status)(scope, receive, send)  # type: ignore[arg-type]

    return app


def test_what_lasted_starts_again_at_once() -> None:
    clock = Clock()
    back_off = BackOff(clock)
    for _ in range(3):
        back_off.started()
        clock.now += LASTED_S
        assert back_off.ended() == 0
        assert back_off.is_over()


def test_pauses_double_up_to_half_a_minute_while_nothing_lasts() -> None:
    clock = Clock()
    back_off = BackOff(clock)
    back_off.started()
    clock.now += LASTED_S / 2
    assert [back_off.ended() for _ in range(8)] == [0, 1, 2, 4, 8, 16, 30, 30]
    assert not back_off.is_over()
    clock.now += 30
    assert back_off.is_over()
    back_off.started()
    clock.now += LASTED_S / 2
    assert back_off.ended() == 30  # it came up, and did not last
    back_off.started()
    clock.now += LASTED_S
    assert back_off.ended() == 0


@pytest.mark.parametrize(
    ("status", "counts"), [(200, True), (401, True), (404, False), (500, False), (503, False)]
)
def test_an_answer_counts_unless_the_path_is_not_there_or_the_server_fails(status: int, counts: bool) -> None:
    with served(answering(status)) as url:
        assert answers(f"{url}/health") is counts


def test_an_address_is_mended_after_some_attempts_and_lost_when_that_did_not_help(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr(endpoint_module.time, "monotonic", clock)
    monkeypatch.setattr(endpoint_module, "answers", lambda url: url == "alive")
    endpoint = Endpoint("api", "dead", attempts=3)

    def look() -> str:
        clock.now += 2
        return endpoint.look()

    assert [look() for _ in range(4)] == ["fine", "fine", "mend", "fine"]
    clock.now += 45
    assert look() == "lost"
    endpoint.url = "alive"
    assert look() == "fine"
    endpoint.url = "dead"
    assert [look() for _ in range(3)] == ["fine", "fine", "mend"]


def test_an_address_whose_process_has_ended_is_mended_at_once_whoever_answers_there() -> None:
    with served(answering(200)) as url, subprocess.Popen(["sleep", "600"]) as sleeper:
        endpoint = Endpoint("dashboard", url, attempts=3, process=psutil.Process(sleeper.pid))
        endpoint._asked_at = 0.0
        assert endpoint.look() == "fine"
        sleeper.kill()
        sleeper.wait()
        endpoint._asked_at = 0.0
        assert endpoint.look() == "mend"
