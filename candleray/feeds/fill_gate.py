"""The gate of one market's questions to REST: a few at once, one at a time after failures, none while banned."""

from __future__ import annotations

from dataclasses import dataclass

from candleray.feeds.pace import Pace

AT_ONCE = 4


@dataclass
class FillGate:
    pace: Pace
    at_once: int = AT_ONCE
    under_way: int = 0
    failures: int = 0
    closed_until_ms: int = 0

    def is_open(self, now_ms: int) -> bool:
        return now_ms >= self.closed_until_ms and self.under_way < (1 if self.failures else self.at_once)

    def enter(self) -> None:
        self.under_way += 1

    def leave(self) -> None:
        """A question was answered."""
        self.under_way -= 1
        self.failures = 0

    def leave_failed(self, now_ms: int, wait_ms: int | None = None) -> None:
        """A question failed; `wait_ms` is the wait that the venue asks for."""
        self.under_way -= 1
        self.failures += 1
        pause_ms = max(wait_ms or 0, self.pace.pause_ms(self.failures, self.pace.longest_retry_ms))
        self.closed_until_ms = max(self.closed_until_ms, now_ms + pause_ms)
