"""Distribution of a lag over the last measurements."""

from __future__ import annotations

from collections import deque

_KEPT = 2000


class Lags:
    def __init__(self) -> None:
        self._ms: deque[int] = deque(maxlen=_KEPT)

    def add(self, lag_ms: int) -> None:
        self._ms.append(lag_ms)

    def quantile_ms(self, share: float) -> int | None:
        """The smallest lag that this share of the measurements does not exceed; None before the first one."""
        if not self._ms:
            return None
        ordered = sorted(self._ms)
        return ordered[max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1)]
