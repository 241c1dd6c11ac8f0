"""An API that was there a moment ago is waited for; one that never was is the person's to start."""

from __future__ import annotations

import pytest

from candleray.agents.presence import Presence
from candleray.errors import ServiceUnavailable

REFUSED = ServiceUnavailable("no Candleray API at x: start one with `candleray up` (connection refused)")


@pytest.fixture
def now() -> list[float]:
    return [1000.0]


@pytest.fixture
def presence(now: list[float]) -> Presence:
    return Presence("http://localhost:8000", lambda: now[0])


def test_an_api_that_never_answered_is_to_be_started(presence: Presence):
    presence.was_silent()
    error, remedy = presence.told(REFUSED)
    assert error.message.endswith("has answered there since this program was started (connection refused)")
    assert str(remedy).startswith("do not call again: ask the person to start an instance with `candleray up`")


@pytest.mark.parametrize(
    ("idle_s", "silent_s", "begins"),
    [
        (0.0, 12.0, "it restarts, which takes half a minute"),
        (3600.0, 12.0, "it restarts, which takes half a minute"),
        (0.0, 500.0, "it has been silent for longer than a restart takes (120 s)"),
    ],
)
def test_an_api_that_answered_before_is_waited_for_as_long_as_a_restart_takes(
    presence: Presence, now: list[float], idle_s: float, silent_s: float, begins: str
):
    presence.answered()
    now[0] += idle_s
    presence.was_silent()
    now[0] += silent_s
    presence.was_silent()
    error, remedy = presence.told(REFUSED)
    said = f"answered {idle_s + silent_s:,.0f} s ago, and is silent since {silent_s:,.0f} s (connection refused)"
    assert error.message.endswith(said)
    assert str(remedy).startswith(begins)


def test_what_the_api_itself_says_stays_as_it_is(presence: Presence):
    presence.was_silent()
    presence.answered()
    assert presence.told(REFUSED) == (REFUSED, None)
