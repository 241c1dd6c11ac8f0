"""Instruments whose next minute is wanted and did not come: when the received tape is read for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from candleray.markets import Instrument

LADDER_S = (0.0, 1.0, 2.0, 5.0, 10.0)
"""Seconds after a gap was seen at which the tape is read."""
THEN_EVERY_S = 15.0


@dataclass
class _Wait:
    minute_ms: int
    since_s: float
    reads: int = 0

    @property
    def due_s(self) -> float:
        if self.reads < len(LADDER_S):
            return self.since_s + LADDER_S[self.reads]
        return self.since_s + LADDER_S[-1] + THEN_EVERY_S * (self.reads - len(LADDER_S) + 1)


class Waits:
    """Times are seconds of one clock that is never set back."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._waits: dict[Instrument, _Wait] = {}

    def __len__(self) -> int:
        return len(self._waits)

    def want(self, instrument: Instrument, minute_ms: int, now_s: float) -> None:
        """Wait for a minute; while it is the same one, the reads go on as they do."""
        known = self._waits.get(instrument)
        if known is None or known.minute_ms != minute_ms:
            self._waits[instrument] = _Wait(minute_ms, now_s * self._speed)

    def came(self, instrument: Instrument, decided_ms: int) -> None:
        """Forget the wait for a minute before the first that is not decided."""
        known = self._waits.get(instrument)
        if known is not None and known.minute_ms < decided_ms:
            del self._waits[instrument]

    def due(self, now_s: float) -> list[Instrument]:
        """Take the instruments whose tape is to be read now; each read counts."""
        found = [one for one, wait in self._waits.items() if wait.due_s <= now_s * self._speed]
        for one in found:
            self._waits[one].reads += 1
        return found

    def keep(self, instruments: Iterable[Instrument]) -> None:
        """Forget all others."""
        wanted = set(instruments)
        self._waits = {one: wait for one, wait in self._waits.items() if one in wanted}
