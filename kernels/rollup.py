"""Bars of a higher timeframe from one-minute candles: only buckets that are closed and full give a bar."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels.jit import FLOAT_ROWS, FLOAT_ROWS_OUT, INT, INTS, jit

_MINUTE_MS = 60_000
OPEN, HIGH, LOW, CLOSE, VOLUME = range(5)


def rollup(
    ts_open_ms: NDArray[np.int64], values: NDArray[np.float64], minutes: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Bars of `minutes` minutes from one-minute candles `values[5, n]`, whose stamps strictly increase.

    Buckets begin at multiples of their length since the epoch, UTC. A bucket that lacks a minute gives no bar. One
    minute passes through, without a copy.

    Raises:
        ValueError: for a length that is not positive, or arrays whose shapes do not go together.
    """
    if minutes < 1 or values.shape != (5, ts_open_ms.size):
        raise ValueError(f"rollup of {values.shape} values and {ts_open_ms.size} stamps to {minutes} minutes")
    if minutes == 1:
        return ts_open_ms, values
    firsts = _full_buckets(ts_open_ms, minutes)
    bars = np.empty((5, firsts.size))
    _gather(np.ascontiguousarray(values), firsts, minutes, bars)
    return ts_open_ms[firsts], bars


def _full_buckets(ts_open_ms: NDArray[np.int64], minutes: int) -> NDArray[np.int64]:
    """The indices of the first minutes of full buckets."""
    firsts = np.flatnonzero(ts_open_ms % (minutes * _MINUTE_MS) == 0)
    firsts = firsts[firsts + minutes <= ts_open_ms.size]
    # The stamps increase and lie on minutes, so this distance leaves room for exactly the minutes between.
    full = ts_open_ms[firsts + minutes - 1] - ts_open_ms[firsts] == (minutes - 1) * _MINUTE_MS
    return firsts[full]


@jit(FLOAT_ROWS, INTS, INT, FLOAT_ROWS_OUT)
def _gather(values, firsts, minutes, bars):
    for bar in range(firsts.size):
        start = firsts[bar]
        stop = start + minutes
        bars[OPEN, bar] = values[OPEN, start]
        bars[HIGH, bar] = values[HIGH, start:stop].max()
        bars[LOW, bar] = values[LOW, start:stop].min()
        bars[CLOSE, bar] = values[CLOSE, stop - 1]
        bars[VOLUME, bar] = values[VOLUME, start:stop].sum()


_PIECES = 32
"""Pieces of an open bar's minutes that are kept apart."""


class GrowingBars:
    """Bars of a timeframe from minutes that come in pieces: those that `rollup` makes of all minutes at once.

    A bar comes with the last minute of its bucket, made of the minutes of the bucket at once: the same volumes
    summed in groups might differ in the last digit.
    """

    def __init__(self, minutes: int) -> None:
        if minutes < 1:
            raise ValueError(f"a bar of {minutes} minutes")
        self.minutes = minutes
        self._stamps: list[NDArray[np.int64]] = []
        self._values: list[NDArray[np.float64]] = []
        self._last_ms: int | None = None

    def advance(
        self, ts_open_ms: NDArray[np.int64], values: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Bars whose last minutes are among these; they follow those that came before.

        Raises:
            ValueError: for a minute that is not later than the one before it.
        """
        if not ts_open_ms.size:
            return ts_open_ms, values
        self._refuse_earlier(ts_open_ms)
        self._last_ms = int(ts_open_ms[-1])
        if self.minutes == 1:
            return ts_open_ms, values
        self._stamps.append(ts_open_ms)
        self._values.append(values)
        if len(self._stamps) > _PIECES:
            # A day of minutes in pieces takes 0.3 ms to be joined, in the one minute in which all bars close.
            self._stamps, self._values = [np.concatenate(self._stamps)], [np.concatenate(self._values, axis=1)]
        length_ms = self.minutes * _MINUTE_MS
        first_ms, next_ms = self._stamps[0][0], self._last_ms + _MINUTE_MS
        if first_ms // length_ms == next_ms // length_ms:
            return ts_open_ms[:0], values[:, :0]
        stamps, candles = np.concatenate(self._stamps), np.concatenate(self._values, axis=1)
        open_ = int(np.searchsorted(stamps, next_ms // length_ms * length_ms))
        self._stamps, self._values = [], []
        if open_ < stamps.size:  # copies: a view would keep all of a long piece
            self._stamps, self._values = [stamps[open_:].copy()], [candles[:, open_:].copy()]
        return rollup(stamps[:open_], candles[:, :open_], self.minutes)

    def saved(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The minutes of the bar that is open."""
        if not self._stamps:
            return np.empty(0, np.int64), np.empty((5, 0))
        return np.concatenate(self._stamps), np.concatenate(self._values, axis=1)

    def restore(self, ts_open_ms: NDArray[np.int64], values: NDArray[np.float64], next_ms: int) -> None:
        """Go on with these minutes of the bar that is open, and with those from that one on."""
        self._stamps, self._values = ([ts_open_ms], [values]) if ts_open_ms.size else ([], [])
        self._last_ms = next_ms - _MINUTE_MS

    def _refuse_earlier(self, ts_open_ms: NDArray[np.int64]) -> None:
        if self._last_ms is not None and ts_open_ms[0] <= self._last_ms:
            raise ValueError(f"minute {ts_open_ms[0]} comes after minute {self._last_ms}")
        if ts_open_ms.size > 1 and (wrong := np.flatnonzero(np.diff(ts_open_ms) <= 0)).size:
            at = int(wrong[0])
            raise ValueError(f"minute {ts_open_ms[at + 1]} comes after minute {ts_open_ms[at]}")
