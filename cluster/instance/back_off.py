"""Pauses before something is started again: none after it has lasted, then longer ones."""

from __future__ import annotations

import time
from collections.abc import Callable

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
LASTED_S = 10.0
"""Seconds after which a part counts as started; its end is then a new story."""


class BackOff:
    """0, 1, 2, 4 ... 30 s while each start is followed by an end."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._next_pause_s = 0.0
        self._again_at = 0.0
        self._started_at: float | None = None

    def started(self) -> None:
        """Note that it runs."""
        self._started_at = self._now()

    def ended(self) -> float:
        """Note that it has ended or did not start; return the pause before the next start."""
        if self._started_at is not None and self._now() - self._started_at >= LASTED_S:
            self._next_pause_s = 0.0
        pause_s, self._started_at = self._next_pause_s, None
        self._next_pause_s = min(max(2 * pause_s, FIRST_PAUSE_S), LONGEST_PAUSE_S)
        self._again_at = self._now() + pause_s
        return pause_s

    def is_over(self) -> bool:
        return self._now() >= self._again_at
