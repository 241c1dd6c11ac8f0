"""Work on a loaded instance goes on after pauses, and gives up after its patience."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from candleray.errors import CandlerayError, InvalidInput, ServiceUnavailable, TooManyRequests
from candleray.sdk import pauses
from candleray.sdk.pauses import with_pauses


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pauses, "PAUSES_S", (0.001, 0.002))


def failing(*errors: CandlerayError) -> Callable[[], str]:
    left = list(errors)

    def ask() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return ask


def test_it_goes_on_after_growing_pauses_and_says_why():
    told: list[tuple[str, float]] = []
    loaded = [ServiceUnavailable(f"step {n}") for n in range(3)]
    waiting = TooManyRequests("one at a time", retry_after_s=0)
    assert with_pauses(failing(*loaded, waiting), 60, lambda error, s: told.append((error.message, s))) == "done"
    assert told == [("step 0", 0.001), ("step 1", 0.002), ("step 2", 0.002), ("one at a time", 0.002)]


def test_it_waits_as_long_as_it_is_asked_to_and_no_longer_than_its_patience():
    told: list[float] = []
    with pytest.raises(TooManyRequests):
        with_pauses(failing(TooManyRequests("busy", retry_after_s=7)), 6, lambda _, s: told.append(s))
    assert told == []


def test_what_does_not_pass_is_said_at_once():
    with pytest.raises(InvalidInput):
        with_pauses(failing(InvalidInput("wrong")), 60, lambda error, s: None)
