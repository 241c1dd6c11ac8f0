"""The time of an exchange: believed near our own, and never later than both where the two are far apart."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from candleray.feeds.venue_clock import VenueClock

NOW_MS = 1_764_428_400_000


@dataclass
class Clocks:
    """This machine's two clocks, moved by hand."""

    s: float = NOW_MS / 1000

    def __call__(self) -> float:
        return self.s

    def venue(self, most_apart_s: float = 120.0, speed: float = 1.0) -> VenueClock:
        return VenueClock(speed, counter=self, wall=self, most_apart_s=most_apart_s)


@pytest.mark.parametrize("off_ms", [-60_000, -5_000, 0, 5_000, 60_000, 120_000])
def test_a_venue_near_our_clock_is_believed_and_counted_on(off_ms: int) -> None:
    ours = Clocks()
    clock = ours.venue()
    assert clock.measured(NOW_MS + off_ms) == -off_ms
    ours.s += 30
    assert (clock.now_ms(), clock.dispute) == (NOW_MS + off_ms + 30_000, "")


@pytest.mark.parametrize(
    ("server_ms", "believed_ms", "told"),
    [
        (4_102_444_800_000, NOW_MS, "2100-01-01T00:00:00Z"),
        (NOW_MS + 120_001, NOW_MS, "2025-11-29T15:02:00.001Z"),
        (NOW_MS - 3_600_000, NOW_MS - 3_600_000, "2025-11-29T14:00:00Z"),
        (10**30, NOW_MS, f"{10**30} ms"),
        (-5, 0, "1969-12-31T23:59:59.995Z"),
    ],
)
def test_of_two_clocks_far_apart_the_earlier_one_is_believed_and_the_words_name_both(
    server_ms: int, believed_ms: int, told: str
) -> None:
    clock = Clocks().venue()
    clock.measured(server_ms)
    assert clock.now_ms() == believed_ms
    assert f"the exchange's clock says {told} and this machine's 2025-11-29T15:00:00Z" in clock.dispute
    assert "more than live.max_clock_difference_s (120)" in clock.dispute


def test_a_venue_that_jumps_to_another_year_does_not_take_the_time_along_and_is_believed_again_later() -> None:
    ours = Clocks()
    clock = ours.venue()
    clock.measured(NOW_MS + 1_000)
    ours.s += 60
    clock.measured(4_102_444_800_000)
    assert clock.now_ms() == NOW_MS + 60_000
    ours.s += 60
    clock.measured(NOW_MS + 121_000)
    assert (clock.now_ms(), clock.dispute) == (NOW_MS + 121_000, "")


def test_simulated_exchanges_may_live_in_any_year() -> None:
    ours = Clocks()
    clock = ours.venue(most_apart_s=1e10, speed=600)
    clock.measured(4_000_000_000_000)
    ours.s += 1
    assert (clock.now_ms(), clock.dispute) == (4_000_000_600_000, "")


def test_a_fast_clock_that_stood_is_believed_where_it_is_behind_our_count() -> None:
    ours = Clocks()
    clock = ours.venue(most_apart_s=1e10, speed=600)
    clock.measured(NOW_MS)
    ours.s += 1
    assert clock.now_ms() == NOW_MS + 600_000
    clock.measured(NOW_MS + 60_000)
    assert clock.now_ms() == NOW_MS + 60_000
