"""The time of the exchanges as a runner knows it, for lags alone: nothing is decided by it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from candleray.timeframes import MINUTE_MS


class ExchangeTime:
    """Our own clock, set right by what the feeds have measured.

    The fast clock of a simulator begins anywhere; it is at least as late as the last close of a candle says, and
    has run on since then.
    """

    def __init__(
        self,
        speed: float = 1.0,
        counter: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._speed, self._counter, self._wall = speed, counter, wall
        self._ahead_ms: Mapping[int, int] = {}
        self._known_ms: dict[int, float] = {}
        """The time of each market by its candles, less what has run on our counter."""

    def measured(self, ahead_ms: Mapping[int, int]) -> None:
        """Take how far our own clock is ahead of each market's."""
        self._ahead_ms = ahead_ms

    def closed(self, market_id: int, decided_ms: int) -> None:
        """Note that a market has closed all minutes before that one."""
        at_zero = decided_ms - self._running_ms()
        self._known_ms[market_id] = max(at_zero, self._known_ms.get(market_id, at_zero))

    def now_ms(self, market_id: int) -> float | None:
        """The market's time; None where a fast one has not told any."""
        if self._speed == 1:
            return self._wall() * 1000 - self._ahead_ms.get(market_id, 0)
        at_zero = self._known_ms.get(market_id)
        return None if at_zero is None else at_zero + self._running_ms()

    def lag_s(self, market_id: int, decided_ms: int) -> float | None:
        """Seconds since the last minute before that one has closed."""
        now_ms = self.now_ms(market_id)
        return None if now_ms is None else max(0.0, now_ms - decided_ms) / 1000

    def overdue_s(self) -> float:
        """Seconds of ours after which the next minute of an instrument is late."""
        return max(1.0, (MINUTE_MS / 1000 + 5.0) / self._speed)

    def _running_ms(self) -> float:
        return self._counter() * 1000 * self._speed
