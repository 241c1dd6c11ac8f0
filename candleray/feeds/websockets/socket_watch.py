"""The watch over one socket: what it brings, when it counts as dead, when the next one is to be opened."""

from __future__ import annotations

from dataclasses import dataclass

from candleray.feeds.pace import Pace

MOST_FRUITLESS = 2
"""Rebuilt sockets in a row without a closed candle, after which REST is relied on alone."""


@dataclass
class SocketWatch:
    """Over the sockets that carry one set of symbols, one after another."""

    pace: Pace
    life_ms: int | None
    fruitless: int = 0
    """Sockets in a row that brought no closed candle."""
    failures: int = 0
    reconnects: int = 0
    connected_ms: int | None = None
    open_after_ms: int = 0
    is_told_to_leave: bool = False
    last_error: str = ""
    last_error_ms: int = 0
    _heard_ms: int = 0
    _has_candle: bool = False
    _missed: int = 0
    _silent: int = 0

    @property
    def is_trusted(self) -> bool:
        """Candles may be waited for; else REST is asked shortly after each close."""
        return self.fruitless < MOST_FRUITLESS

    def opened(self, now_ms: int) -> None:
        if self.connected_ms is not None or self.last_error:
            self.reconnects += 1
        self.connected_ms = self._heard_ms = now_ms
        self._has_candle = self.is_told_to_leave = False
        self._missed = self._silent = 0

    def heard(self, now_ms: int) -> None:
        """A closed candle came."""
        self._heard_ms = now_ms
        self._has_candle = True
        self._missed = self._silent = 0
        self.fruitless = self.failures = 0

    def rest_told(self, has_volume: bool) -> None:
        """REST had a minute that the socket did not bring; without a trade none is brought by right."""
        if has_volume:
            self._missed += 1
        else:
            self._silent += 1

    def is_stale(self, now_ms: int) -> bool:
        if self.connected_ms is None or now_ms - self._heard_ms <= self.pace.stale_ms:
            return False
        return self._missed > 0 or self._silent == 0

    def is_to_be_renewed(self, now_ms: int) -> bool:
        """The venue has said farewell, or will cut the socket by its age."""
        if self.connected_ms is None:
            return False
        lead_ms = min(self.pace.renew_before_ms, (self.life_ms or 0) // 10)
        return self.is_told_to_leave or (
            self.life_ms is not None and now_ms - self.connected_ms >= self.life_ms - lead_ms
        )

    def closed(self, now_ms: int, error: str, *, at_once: bool = False) -> None:
        """Note that it has ended or could not be opened; the next one opens after a pause that grows."""
        if not self._has_candle:
            self.fruitless += 1
        self.connected_ms = None
        self._has_candle = False
        self.last_error = error[:300] or "closed by the exchange"
        self.last_error_ms = now_ms
        self.failures += 1
        self.open_after_ms = now_ms
        if self.failures > 1 and not at_once:
            self.open_after_ms += self.pace.pause_ms(self.failures - 1, 2 * self.pace.longest_retry_ms)
