"""The venues' clock: faster than ours, standing still, moved by hand."""

from __future__ import annotations

import math

import pytest

from candleray.simulator.market_clock import MarketClock
from tests.support.hand_clock import HandClock


@pytest.fixture
def hand() -> HandClock:
    return HandClock()


def test_venue_time_passes_at_its_speed(hand):
    clock = MarketClock(60_000, 600, hand)
    hand.now_s += 0.1
    assert clock.now_ms() == 120_000
    assert clock.real_s_until(180_000) == pytest.approx(0.1)
    assert clock.real_s_until(120_000) == 0


def test_another_speed_counts_from_its_moment_on(hand):
    clock = MarketClock(0, 600, hand)
    hand.now_s += 1
    clock.set_speed(1)
    hand.now_s += 1
    assert clock.now_ms() == 601_000


def test_a_frozen_clock_moves_by_steps_alone_and_never_back(hand):
    clock = MarketClock(0, 0, hand)
    hand.now_s += 100
    assert clock.now_ms() == 0
    assert clock.real_s_until(1) == math.inf
    clock.step(60_000)
    clock.step(-60_000)
    assert clock.now_ms() == 60_000
    assert clock.real_s_until(60_000) == 0


def test_a_held_clock_stands_and_does_not_make_up_for_it(hand):
    clock = MarketClock(0, 600, hand)
    clock.hold_at(60_000)
    hand.now_s += 10
    assert clock.now_ms() == 60_000
    clock.hold_at(600_000)
    hand.now_s += 0.1
    assert clock.now_ms() == 120_000


def test_a_clock_may_follow_another():
    now_s = [1_750_000_000.5]
    clock = MarketClock.follow(lambda: now_s[0])
    assert clock.now_ms() == 1_750_000_000_500
    now_s[0] += 60
    assert clock.now_ms() == 1_750_000_060_500
