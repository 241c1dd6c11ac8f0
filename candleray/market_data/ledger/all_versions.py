"""All versions of an instrument's minutes as arrays, for whoever asks what was known when, many times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from candleray.candles import Candles, IntArray


@dataclass(frozen=True)
class Versions:
    """Versions by minute and, within one, by the moment they came; so a minute may be there several times."""

    candles: Candles
    seen_ms: IntArray
    """The `ingested_at` of each."""

    def __len__(self) -> int:
        return len(self.candles)

    @staticmethod
    def none() -> Versions:
        return Versions(Candles.empty(), np.empty(0, np.int64))

    def part(self, start: int, end: int) -> Versions:
        candles = Candles(self.candles.ts_open_ms[start:end], self.candles.values[:, start:end])
        return Versions(candles, self.seen_ms[start:end])

    def between(self, start_ms: int, end_ms: int) -> Versions:
        """The versions of the minutes of `[start_ms, end_ms)`, as views."""
        start, end = np.searchsorted(self.candles.ts_open_ms, [start_ms, end_ms])
        return self.part(int(start), int(end))

    def first(self) -> Versions:
        """The version of each minute that came first."""
        return self._take(np.flatnonzero(_differs_from_former(self.candles.ts_open_ms)))

    def as_of(self, as_of_ms: int) -> Candles:
        """The newest version of each minute that there was at a moment."""
        known = self._take(np.flatnonzero(self.seen_ms <= as_of_ms))
        is_last = _differs_from_former(known.candles.ts_open_ms[::-1])[::-1]
        return known._take(np.flatnonzero(is_last)).candles

    def without(self, rows: IntArray) -> Versions:
        """All but those at these places."""
        return self._take(np.delete(np.arange(len(self)), rows))

    def _take(self, rows: IntArray) -> Versions:
        if len(rows) == len(self):
            return self
        values = np.ascontiguousarray(self.candles.values[:, rows])
        return Versions(Candles(self.candles.ts_open_ms[rows], values), self.seen_ms[rows])


def _differs_from_former(stamps: IntArray) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    differs = np.ones(len(stamps), bool)
    np.not_equal(stamps[1:], stamps[:-1], out=differs[1:])
    return differs
