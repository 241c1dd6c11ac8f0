"""Coverage of an instrument: the minutes that are stored, and those that are missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field

from candleray.frozen_model import FrozenModel
from candleray.markets import Instrument
from candleray.timeframes import MINUTE_MS, Moment, from_ms

if TYPE_CHECKING:
    from candleray.candles import IntArray


class MissingRun(FrozenModel):
    """Consecutive minutes without a candle, `[start, end)`."""

    start: Moment = Field(description="the first missing minute")
    end: Moment = Field(description="the first minute after the run")
    minutes: int = Field(ge=1)

    @staticmethod
    def between(start_ms: int, end_ms: int) -> MissingRun:
        return MissingRun(start=from_ms(start_ms), end=from_ms(end_ms), minutes=(end_ms - start_ms) // MINUTE_MS)


class Coverage(Instrument):
    """Stored candles of one instrument; holes count between its first and its last candle."""

    first: Moment = Field(description="open time of the first candle")
    last: Moment = Field(description="open time of the last candle")
    candles: int = Field(ge=1)
    missing_minutes: int = Field(ge=0)
    missing_runs: tuple[MissingRun, ...] = Field((), description="every hole, in order of time")


class RowCounts(Instrument):
    """Row counts of one instrument in the raw and the canonical table."""

    raw: int = Field(ge=0, description="rows of the raw table, every version of a minute")
    canonical: int = Field(ge=0, description="candles a reader sees, one a minute")


def missing_ranges(ts_open_ms: IntArray, start_ms: int, end_ms: int) -> IntArray:
    """The holes among the minutes that open in `[start_ms, end_ms)`.

    Args:
        ts_open_ms: `(n,)` stamps on the minute in ascending order; repetitions do no harm.

    Returns:
        `(k, 2)`: `[start, end)` of every hole in ms, in order of time.
    """
    import numpy as np  # not above: the SDK, which is light, reads the models

    start_ms, end_ms = _next_minute(start_ms), _next_minute(end_ms)
    if start_ms >= end_ms:
        return np.empty((0, 2), np.int64)
    first, last = np.searchsorted(ts_open_ms, [start_ms, end_ms])
    fenced = np.concatenate(([start_ms - MINUTE_MS], ts_open_ms[first:last], [end_ms])).astype(np.int64)
    before_hole = np.flatnonzero(np.diff(fenced) > MINUTE_MS)
    return np.stack([fenced[before_hole] + MINUTE_MS, fenced[before_hole + 1]], axis=1)


def missing_runs(ts_open_ms: IntArray, start_ms: int, end_ms: int) -> tuple[MissingRun, ...]:
    """`missing_ranges` as models, for the API and the SDK."""
    return runs_of(missing_ranges(ts_open_ms, start_ms, end_ms).tolist())


def runs_of(ranges: Iterable[Iterable[int]]) -> tuple[MissingRun, ...]:
    return tuple(MissingRun.between(start_ms, end_ms) for start_ms, end_ms in ranges)


def _next_minute(ts_ms: int) -> int:
    """The first whole minute at or after that time."""
    return -(-ts_ms // MINUTE_MS) * MINUTE_MS
