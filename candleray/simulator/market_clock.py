"""The venues' clock: it may run faster than ours, stand still, and be moved by hand."""

from __future__ import annotations

import math
import time
from collections.abc import Callable


class MarketClock:
    """Venue time that passes `speed` seconds a second of `elapsed_s`; speed 0 freezes it."""

    def __init__(
        self, start_ms: float, speed: float = 1.0, elapsed_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._elapsed_s = elapsed_s
        self._anchor_ms, self._anchor_s, self._speed = float(start_ms), elapsed_s(), speed
        self._limit_ms = math.inf

    @staticmethod
    def follow(clock_s: Callable[[], float]) -> MarketClock:
        """A clock that shows what `clock_s` says, in seconds since the epoch."""
        return MarketClock(clock_s() * 1000, 1.0, clock_s)

    @property
    def speed(self) -> float:
        return self._speed

    def now_ms(self) -> int:
        return math.floor(self._exact_ms() + 1e-6)

    def set_speed(self, speed: float) -> None:
        """Go on from now at another speed."""
        self._anchor_ms, self._anchor_s, self._speed = self._exact_ms(), self._elapsed_s(), speed

    def step(self, by_ms: float) -> None:
        """Move on at once; a clock of a venue never goes back."""
        self._anchor_ms += max(0.0, by_ms)

    def hold_at(self, limit_ms: float) -> None:
        """Stand at that time until a later one is named; what passes meanwhile is not made up for."""
        self._limit_ms = max(limit_ms, self._exact_ms())

    def real_s_until(self, ts_ms: int) -> float:
        """Seconds of ours until that venue time: 0 where it has come, infinite where the clock stands."""
        left_ms = ts_ms - self._exact_ms()
        if left_ms <= 1e-6:
            return 0.0
        return left_ms / 1000 / self._speed if self._speed else math.inf

    def real_s(self, venue_s: float) -> float:
        """The seconds of ours that such a stretch of venue time takes; as they are where the clock stands."""
        return venue_s / self._speed if self._speed else venue_s

    def _exact_ms(self) -> float:
        now_s = self._elapsed_s()
        exact_ms = self._anchor_ms + (now_s - self._anchor_s) * 1000 * self._speed
        if exact_ms > self._limit_ms:
            exact_ms = self._limit_ms
            self._anchor_ms, self._anchor_s = exact_ms, now_s
        return exact_ms
