"""The time of an exchange, as its REST interface tells it now and then, and as our own clock counts on."""

from __future__ import annotations

import time
from collections.abc import Callable

_DIFFERS_MS = 2_000


class VenueClock:
    """Milliseconds of the venue's time; before the first measurement, of our own.

    `speed` is 1 but where a simulator lets its time run fast. Between two measurements the time never goes back: a
    closed minute stays closed.
    """

    def __init__(
        self,
        speed: float = 1.0,
        counter: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.speed = speed
        self.measured_at_s: float | None = None
        self._counter, self._wall = counter, wall
        self._base_s, self._base_ms = counter(), wall() * 1000
        self._latest_ms = 0

    def now_ms(self) -> int:
        told = int(self._base_ms + (self._counter() - self._base_s) * 1000 * self.speed)
        if self.measured_at_s is not None:
            self._latest_ms = told = max(told, self._latest_ms)
        return told

    def measured(self, server_ms: int) -> int:
        """Take what the venue says, which was true a moment ago; return how far our own clock is ahead of it."""
        self._base_s, self._base_ms = self._counter(), float(server_ms)
        if self.measured_at_s is None or server_ms < self._latest_ms - _DIFFERS_MS * self.speed:
            self._latest_ms = server_ms
        self.measured_at_s = self._base_s
        return int(self._wall() * 1000 - server_ms)

    def is_trusted(self, for_s: float) -> bool:
        """The venue was asked within that time."""
        return self.measured_at_s is not None and self._counter() - self.measured_at_s < for_s

    def real_s(self, venue_ms: float) -> float:
        """Seconds here of a stretch of the venue's time."""
        return venue_ms / 1000 / self.speed
