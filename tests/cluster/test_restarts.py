"""A Ray that has ended and does not start: it is tried again, less and less often."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from candleray.errors import ServiceUnavailable
from candleray.settings import Settings
from cluster.instance import ray_part
from cluster.instance.back_off import BackOff
from cluster.instance.events import Event
from cluster.instance.ray_part import RayPart
from cluster.instance.ray_runtime import DASHBOARD_SILENT, why_not_started
from cluster.instance.supervisor import WATCH_S
from cluster.machine.data_folder import DataFolder

MINUTE_AND_A_HALF = [0, 1, 3, 7, 15, 31, 61]
"""Seconds after an end at which a start is tried in the first 90 s: pauses of 0, 1, 2, 4, 8, 16, 30."""


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s

    def ticks(self, seconds: float) -> Iterator[float]:
        """The seconds since now at which a supervisor looks at its parts."""
        began = self.now_s
        while self.now_s < began + seconds:
            yield self.now_s - began
            self.now_s += WATCH_S


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(ray_part, "BackOff", lambda: BackOff(clock))
    return clock


class Boot:
    """A Ray that has ended and does not start again."""

    def __init__(self, *_: Any) -> None:
        self.cluster = None
        self.boot_id = ""
        self.is_ready = False

    def start(self) -> None:
        raise ServiceUnavailable("no memory")

    def kill(self) -> None:
        pass

    def follow(self) -> str:
        return "has ended"


def test_a_ray_that_does_not_start_is_tried_less_and_less_often(
    clock: Clock, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_part, "RayBoot", Boot)
    events: list[Event] = []
    part = RayPart(Settings(), DataFolder(tmp_path), "app", events.append, lambda: None)
    part._runs = True
    lost_at = []
    for at in clock.ticks(90):
        part.look()
        lost_at += [at] * len(events)
        events.clear()
    # It has ended at the first look; the next one starts it again.
    assert lost_at == [0, *(WATCH_S + at for at in MINUTE_AND_A_HALF)]


class SlowBoot(Boot):
    """A Ray that some starts in a row are too slow for."""

    reasons: list[str]
    killed: list[str]

    def start(self) -> None:
        self.is_ready = not self.reasons

    def kill(self) -> None:
        self.killed.append("a boot")

    def follow(self) -> str:
        return self.reasons.pop(0) if self.reasons else ""


SLOW = "Ray does not start: The current node timed out during startup."
DASHBOARD_LOG = "The last 20 lines of /x/dashboard.log (it contains the error message from the dashboard): "
"""The line, after an empty one, by which Ray tells of a dashboard that it gives up."""


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("", "Exception"),
        (
            "The current node timed out during startup.\nIt may be busy.",
            "The current node timed out during startup.",
        ),
        (f"\n{DASHBOARD_LOG}", f"{DASHBOARD_SILENT}; its log is empty"),
        (
            f"\n{DASHBOARD_LOG}\n09:00 INFO starts\n09:01 ERROR no memory\n",
            f"{DASHBOARD_SILENT}; its log ends with: 09:01 ERROR no memory",
        ),
    ],
)
def test_a_ray_that_does_not_start_is_told_with_words_in_one_line(said: str, told: str) -> None:
    assert why_not_started(Exception(said)) == told


@pytest.mark.parametrize(
    ("reasons", "starts_again", "error"),
    [
        ([], 0, None),
        ([SLOW], 1, None),
        ([f"Ray does not start: {why_not_started(Exception(DASHBOARD_LOG))}"], 1, None),
        ([SLOW, SLOW], 2, None),
        ([SLOW, SLOW, SLOW], 2, "timed out"),
        (["no module app"], 0, "no module app"),
    ],
)
def test_a_first_start_that_is_too_slow_for_ray_is_tried_again(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, reasons: list[str], starts_again: int, error: str | None
) -> None:
    boot = type("SlowBoot", (SlowBoot,), {"reasons": list(reasons), "killed": []})
    monkeypatch.setattr(ray_part, "RayBoot", boot)
    monkeypatch.setattr(RayPart, "_become_ready", lambda part: setattr(part, "state", "ready"))
    events: list[Event] = []
    part = RayPart(Settings(), DataFolder(tmp_path), "app", events.append, lambda: None)
    if error is None:
        part.start()
    else:
        with pytest.raises(ServiceUnavailable, match=error):
            part.start()
    assert len(events) == len(boot.killed) == starts_again
