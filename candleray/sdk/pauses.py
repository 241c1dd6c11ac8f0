"""Pauses while an instance is loaded: work that goes on where it was, asked for again until it is taken."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import chain, repeat
from typing import TypeAlias, TypeVar

from candleray.errors import CandlerayError, RateLimited, ServiceUnavailable, TooManyRequests

T = TypeVar("T")

Pause: TypeAlias = Callable[[CandlerayError, float], None]
"""Waits for so many seconds, and may say why."""

PAUSES_S = (5.0, 10.0, 20.0, 40.0, 60.0)
"""The pauses in a row; the last again and again. What is loaded has time to write what it has."""

_PASSING = (ServiceUnavailable, TooManyRequests, RateLimited)


def with_pauses(ask: Callable[[], T], patience_s: float, pause: Pause) -> T:
    """The answer, asked for again after pauses where the failure passes.

    Raises:
        CandlerayError: the failure does not pass, or has not within that patience.
    """
    gives_up_at = time.monotonic() + patience_s
    pauses = chain(PAUSES_S, repeat(PAUSES_S[-1]))
    while True:
        try:
            return ask()
        except _PASSING as error:
            pause_s = max(next(pauses), float(getattr(error, "retry_after_s", 0)))
            if time.monotonic() + pause_s > gives_up_at:
                raise
            pause(error, pause_s)


def silent_pause(error: CandlerayError, pause_s: float) -> None:
    time.sleep(pause_s)
