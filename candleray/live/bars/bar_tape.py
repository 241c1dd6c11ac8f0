"""Bars of one instrument and timeframe as its minutes come, with what is missing between them."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np

from candleray.candles import Candles, IntArray
from candleray.live.snapshots.packing import Tree
from candleray.timeframes import MINUTE_MS
from kernels.rollup import GrowingBars


class NewBars(NamedTuple):
    candles: Candles
    missing_before: IntArray
    """The minutes that are missing between each bar and the one before it; 0 for the first of all."""
    gaps: list[tuple[int, int]]
    """Runs of missing minutes `[start, end)` in ms whose end is a minute that has come now."""


class BarTape:
    def __init__(self, minutes: int, first_ms: int) -> None:
        self._bars = GrowingBars(minutes)
        self._open = _OpenBar(minutes)
        self._first_ms = first_ms
        self._expected_ms = first_ms
        """The minute after the last one that came."""
        self._seen = 0
        self._last_close: tuple[int, int] | None = None
        """The end of the last bar in ms, and the minutes seen up to it."""

    @property
    def state(self) -> tuple[Any, ...]:
        """Everything that its next bars depend on besides the minutes that come."""
        since = None if self._last_close is None else (self._last_close[0], self._seen - self._last_close[1])
        return self._expected_ms, since, self._open.digest

    def saved(self) -> Tree:
        stamps, values = self._bars.saved()
        since = None if self._last_close is None else [self._last_close[0], self._seen - self._last_close[1]]
        return {"expected_ms": self._expected_ms, "since": since, "open": [stamps, values]}

    def restore(self, saved: Tree) -> None:
        """Go on from there."""
        minutes = Candles(*saved["open"])
        self._expected_ms, self._seen = saved["expected_ms"], 0
        self._last_close = None if saved["since"] is None else (saved["since"][0], -saved["since"][1])
        self._bars.restore(minutes.ts_open_ms, minutes.values, self._expected_ms)
        if len(minutes):
            self._open.add(minutes)

    def advance(self, minutes: Candles) -> NewBars:
        """Take minutes; those before the first one that is read are passed over.

        Raises:
            ValueError: for a minute that is not later than those before it.
        """
        if len(minutes) and minutes.ts_open_ms[0] < self._first_ms:
            minutes = minutes.between(self._first_ms, int(minutes.ts_open_ms[-1]) + 1)
        stamps = minutes.ts_open_ms
        if not stamps.size:
            return NewBars(Candles.empty(), np.empty(0, np.int64), [])
        bars = Candles(*self._bars.advance(stamps, minutes.values))
        missing = self._missing_before(bars, stamps)
        gaps = _gaps(self._expected_ms, stamps)
        self._open.add(minutes)
        self._expected_ms = int(stamps[-1]) + MINUTE_MS
        self._seen += stamps.size
        return NewBars(bars, missing, gaps)

    def _missing_before(self, bars: Candles, stamps: IntArray) -> IntArray:
        if not len(bars):
            return np.empty(0, np.int64)
        opens, length = bars.ts_open_ms, self._bars.minutes
        # A year of minutes without a hole takes 8 ms less where nothing is searched.
        ends = opens[[0, -1]] if _is_whole(stamps) else opens
        closes = ends + length * MINUTE_MS
        seen_at_close = self._seen + np.searchsorted(stamps, closes)
        close_ms, seen = self._last_close or (int(opens[0]), int(seen_at_close[0]) - length)
        self._last_close = int(closes[-1]), int(seen_at_close[-1])
        missing = np.zeros(opens.size, np.int64)
        if ends is not opens:
            missing[0] = (opens[0] - close_ms) // MINUTE_MS - (seen_at_close[0] - length - seen)
            return missing
        span = (opens - np.append(close_ms, closes[:-1])) // MINUTE_MS
        there = seen_at_close - length - np.append(seen, seen_at_close[:-1])
        np.subtract(span, there, out=missing)
        return missing


def _is_whole(stamps: IntArray) -> bool:
    """Tell if no minute is missing between these."""
    return int(stamps[-1] - stamps[0]) == (stamps.size - 1) * MINUTE_MS


class _OpenBar:
    """The name of the minutes that have come of the bar that is open: equal minutes, equal names."""

    def __init__(self, minutes: int) -> None:
        self._bar_ms = minutes * MINUTE_MS
        self._start_ms = -1
        self._content = hashlib.blake2b(digest_size=16)

    @property
    def digest(self) -> bytes:
        return self._content.digest()

    def add(self, minutes: Candles) -> None:
        if self._bar_ms == MINUTE_MS:
            return  # no bar of one minute is ever open
        start_ms = int(minutes.ts_open_ms[-1]) // self._bar_ms * self._bar_ms
        if start_ms != self._start_ms:
            self._start_ms, self._content = start_ms, hashlib.blake2b(digest_size=16)
        first = int(np.searchsorted(minutes.ts_open_ms, start_ms))
        stamps = minutes.ts_open_ms[first:].view(np.float64)
        # Minute by minute: the pieces in which they come do not matter.
        self._content.update(np.vstack([stamps, minutes.values[:, first:]]).T.tobytes())


def _gaps(expected_ms: int, stamps: IntArray) -> list[tuple[int, int]]:
    if _is_whole(stamps):
        first_ms = int(stamps[0])
        return [(expected_ms, first_ms)] if first_ms != expected_ms else []
    ends = stamps[np.append(stamps[0] != expected_ms, np.diff(stamps) != MINUTE_MS)]
    if not ends.size:
        return []
    starts = np.append(expected_ms, stamps[:-1] + MINUTE_MS)[np.searchsorted(stamps, ends)]
    return list(zip(starts.tolist(), ends.tolist(), strict=True))
