"""The time of an exchange, as its REST interface tells it now and then, and as our own clock counts on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from candleray.timeframes import iso_or_ms

_DIFFERS_MS = 2_000


class VenueClock:
    """Milliseconds of the venue's time; before the first measurement, of our own.

    `speed` is 1 but where a simulator lets its time run fast. Between two measurements the time never goes back: a
    closed minute stays closed. Where the venue's time is further from our own than `most_apart_s`, one of the two
    is wrong, and the earlier one is believed: by that no minute is over that is not.
    A fast clock may stand for a while: what it says counts, also where it is earlier.
    """

    def __init__(
        self,
        speed: float = 1.0,
        counter: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        most_apart_s: float = math.inf,
    ) -> None:
        self.speed = speed
        self.dispute = ""
        """Words on a venue whose time is too far from ours."""
        self.measured_at_s: float | None = None
        self._counter, self._wall, self._most_apart_s = counter, wall, most_apart_s
        self._base_s, self._base_ms = counter(), wall() * 1000
        self._latest_ms = 0

    def now_ms(self) -> int:
        told = int(self._base_ms + (self._counter() - self._base_s) * 1000 * self.speed)
        if self.measured_at_s is not None:
            self._latest_ms = told = max(told, self._latest_ms)
        return told

    def measured(self, server_ms: int) -> int:
        """Take what the venue says, which was true a moment ago; return how far our own clock is ahead of it."""
        our_ms = int(self._wall() * 1000)
        believed_ms = self._believed(server_ms, our_ms)
        self._base_s, self._base_ms = self._counter(), float(believed_ms)
        if self.measured_at_s is None or self.speed > 1 or believed_ms < self._latest_ms - _DIFFERS_MS:
            self._latest_ms = believed_ms
        self.measured_at_s = self._base_s
        return our_ms - server_ms

    def _believed(self, server_ms: int, our_ms: int) -> int:
        apart_s = abs(our_ms - server_ms) / 1000
        if apart_s <= self._most_apart_s:
            self.dispute = ""
            return server_ms
        self.dispute = (
            f"the exchange's clock says {iso_or_ms(server_ms)} and this machine's {iso_or_ms(our_ms)}, "
            f"{apart_s:,.0f} s apart, more than live.max_clock_difference_s ({self._most_apart_s:g}): minutes "
            "count as over by the earlier of the two until they agree; is this machine's clock set by NTP?"
        )
        return max(0, min(server_ms, our_ms))

    def is_trusted(self, for_s: float) -> bool:
        """The venue was asked within that time."""
        return self.measured_at_s is not None and self._counter() - self.measured_at_s < for_s

    def real_s(self, venue_ms: float) -> float:
        """Seconds here of a stretch of the venue's time."""
        return venue_ms / 1000 / self.speed
