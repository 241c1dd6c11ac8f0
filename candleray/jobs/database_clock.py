"""The clock of the database, by which the silence of drivers is counted; a person or a time server may put it."""

from __future__ import annotations

import time
from collections.abc import Callable

CLOCK_STEP_S = 5.0
"""A clock that moves by so much more or less than time has passed was put."""


class DatabaseClock:
    """Is read beside a clock that nobody puts. It outlives a connection, during whose absence it may be put."""

    def __init__(self, steady: Callable[[], float] = time.monotonic) -> None:
        self._steady = steady
        self._ahead_s: float | None = None
        """Seconds that it was ahead of the steady one, when it was last accepted."""

    def put_forward_s(self, now_s: float) -> float:
        """Return by how much it was put since it was accepted, or zero; less than zero where it was put back."""
        forward_s = 0.0 if self._ahead_s is None else now_s - self._steady() - self._ahead_s
        return forward_s if abs(forward_s) > CLOCK_STEP_S else 0.0

    def accept(self, now_s: float) -> None:
        """Count from this reading."""
        self._ahead_s = now_s - self._steady()
