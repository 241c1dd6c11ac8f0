"""Pauses that grow while what was started again does not last."""

from __future__ import annotations

from itertools import pairwise

import pytest

from candleray.errors import ServiceUnavailable
from cluster.instance.back_off import LASTED_S, LONGEST_PAUSE_S, BackOff
from cluster.instance.watched_service import WatchedService
from tests.support.hand_clock import HandClock


def test_what_lasted_starts_again_at_once() -> None:
    clock = HandClock()
    back_off = BackOff(clock)
    for _ in range(3):
        back_off.started()
        clock.now_s += LASTED_S
        assert back_off.ended() == 0
        assert back_off.is_over()


def test_pauses_double_up_to_half_a_minute_while_nothing_lasts() -> None:
    clock = HandClock()
    back_off = BackOff(clock)
    back_off.started()
    clock.now_s += LASTED_S / 2
    assert [back_off.ended() for _ in range(8)] == [0, 1, 2, 4, 8, 16, 30, 30]
    assert not back_off.is_over()
    clock.now_s += 30
    assert back_off.is_over()
    back_off.started()
    clock.now_s += LASTED_S / 2
    assert back_off.ended() == 30  # it came up, and did not last
    back_off.started()
    clock.now_s += LASTED_S
    assert back_off.ended() == 0


class FakeService:
    """An `EmbeddedService` without a server; it starts unless it has an error to raise."""

    name = "postgres"

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.is_up = True

    def end_if_displaced(self) -> str:
        return ""

    def runs(self) -> bool:
        return self.is_up

    def start(self) -> str:
        if self.error:
            raise self.error
        self.is_up = True
        return "started"


class Watch:
    """A watched service and the clock it goes by."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.service = FakeService()
        self.watched = WatchedService(self.service, self.clock)  # type: ignore[arg-type]

    def look_for(self, seconds: float, every_s: float = 0.5) -> list[tuple[float, str]]:
        """Return the actions, and how long after the first look each came."""
        began_s, done = self.clock.now_s, []
        while self.clock.now_s < began_s + seconds:
            if said := self.watched.revive():
                done.append((self.clock.now_s - began_s, said))
            self.clock.now_s += every_s
        return done


def test_a_service_that_runs_is_left_alone() -> None:
    watch = Watch()
    assert watch.look_for(100) == []
    assert watch.watched.restarts is None


def test_a_service_that_lasted_is_started_again_at_once_and_counted() -> None:
    watch = Watch()
    watch.clock.now_s += LASTED_S
    for count in (1, 2):
        watch.service.is_up = False
        assert watch.look_for(LASTED_S) == [(0.0, "had ended, is started again")]
        assert watch.watched.restarts
        assert watch.watched.restarts.count == count


@pytest.mark.parametrize("error", [ServiceUnavailable("no room"), OSError(12, "no room")])
def test_a_service_that_does_not_start_is_tried_after_pauses_that_double(error: Exception) -> None:
    watch = Watch()
    watch.clock.now_s += LASTED_S
    watch.service.is_up, watch.service.error = False, error
    tries = watch.look_for(200)
    assert {said for _, said in tries} == {f"has ended and does not start: {error}"}
    assert [at_s for at_s, _ in tries] == [0, 1, 3, 7, 15, 31, *range(61, 200, int(LONGEST_PAUSE_S))]
    watch.service.error = None
    assert [said for _, said in watch.look_for(LONGEST_PAUSE_S)] == ["had ended, is started again"]
    assert watch.look_for(100) == []


def test_a_service_that_starts_and_ends_at_once_is_started_after_pauses_that_double() -> None:
    watch = Watch()
    starts_s = []
    for _ in range(200):
        watch.service.is_up = False
        starts_s += [watch.clock.now_s for _ in watch.look_for(0.5)]
    # Its end is seen half a second after its start.
    assert [after - before for before, after in pairwise(starts_s)] == [1.5, 2.5, 4.5, 8.5, 16.5, 30.5, 30.5]
