"""The minutes of one instrument as all sessions receive them, as long as somebody may ask for them."""

from __future__ import annotations

import numpy as np

from candleray.candles import Candles
from candleray.timeframes import MINUTE_MS, iso

KEPT_MS = 120 * MINUTE_MS
"""Minutes that are kept although all runs have taken them: for a run whose history was read a while ago."""


class MinuteTape:
    def __init__(self, first_ms: int) -> None:
        self.first_ms = first_ms
        """The first minute that is kept, or that is absent by verdict."""
        self.decided_ms = first_ms
        """The first minute that is not decided."""
        self._minutes = Candles.empty()

    def take(self, minutes: Candles, decided_ms: int) -> None:
        """Add minutes; what was decided before stays as it was.

        Raises:
            ValueError: for a minute that is not decided by then, or minutes that do not ascend.
        """
        stamps = minutes.ts_open_ms
        if len(minutes) and stamps[-1] >= decided_ms:
            raise ValueError(f"minute {iso(int(stamps[-1]))} is not before {iso(decided_ms)}, the first undecided")
        if (np.diff(stamps) <= 0).any():
            raise ValueError("minutes of a tape ascend")
        new = minutes.between(self.decided_ms, decided_ms)
        if len(new):
            self._minutes = joined(self._minutes, new)
        self.decided_ms = max(self.decided_ms, decided_ms)

    def between(self, start_ms: int, end_ms: int) -> Candles:
        return self._minutes.between(start_ms, end_ms)

    def forget(self, taken_ms: int) -> None:
        """Forget minutes well before one up to which all have taken them."""
        first_ms = taken_ms - KEPT_MS
        # Some at a time, so that most minutes move nothing.
        if first_ms - self.first_ms >= KEPT_MS:
            kept = self._minutes.between(first_ms, self.decided_ms)
            self._minutes = Candles(kept.ts_open_ms.copy(), kept.values.copy())
            self.first_ms = first_ms


def joined(one: Candles, other: Candles) -> Candles:
    return Candles(
        np.concatenate([one.ts_open_ms, other.ts_open_ms]), np.concatenate([one.values, other.values], axis=1)
    )
