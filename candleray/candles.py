"""The one layout of candles in memory, and the rules a row must pass to be one.

A `Candles` is struct-of-arrays: `ts_open_ms` int64 `(n,)`, strictly increasing, and `values` float64
`(5, n)`, C-contiguous, whose rows are open, high, low, close, volume. A column is therefore one contiguous
run, which is what the kernels read and what the object store shares without a copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from candleray.ingest import RefusedRows
from candleray.timeframes import MINUTE_MS, iso

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]

COLUMNS = ("open", "high", "low", "close", "volume")
"""The rows of `values`, in order."""

YEAR_2009_MS = 1_230_768_000_000
YEAR_2100_MS = 4_102_444_800_000


@dataclass(frozen=True)
class Candles:
    """One instrument's candles (of one minute, or the bars derived from them)."""

    ts_open_ms: IntArray
    values: FloatArray

    def __len__(self) -> int:
        return int(self.ts_open_ms.shape[0])

    def column(self, name: str) -> FloatArray:
        """A view of one of `COLUMNS`."""
        column: FloatArray = self.values[COLUMNS.index(name)]
        return column

    def between(self, start_ms: int, end_ms: int) -> Candles:
        """The candles that open in `[start_ms, end_ms)`, as views."""
        first, last = np.searchsorted(self.ts_open_ms, [start_ms, end_ms])
        return Candles(self.ts_open_ms[first:last], self.values[:, first:last])

    @staticmethod
    def empty() -> Candles:
        return Candles(np.empty(0, np.int64), np.empty((len(COLUMNS), 0)))


@dataclass(frozen=True)
class CandleRows:
    """Rows as a source gave them, before anyone has checked them; what is unknown is NaN."""

    ts_open_ms: IntArray
    values: FloatArray
    quote_volume: FloatArray
    trades: FloatArray
    first_row: int = 1
    """The number the source gives the first of these rows, for messages."""

    def __len__(self) -> int:
        return int(self.ts_open_ms.shape[0])

    def take(self, rows: IntArray) -> CandleRows:
        """The rows at these indices; they no longer know their numbers in the source."""
        return CandleRows(
            self.ts_open_ms[rows],
            np.ascontiguousarray(self.values[:, rows]),
            self.quote_volume[rows],
            self.trades[rows],
        )

    @staticmethod
    def join(parts: Sequence[CandleRows]) -> CandleRows:
        """Several stretches after one another; none at all is an empty one."""
        return CandleRows(
            np.concatenate([np.empty(0, np.int64), *(part.ts_open_ms for part in parts)]),
            np.concatenate([np.empty((len(COLUMNS), 0)), *(part.values for part in parts)], axis=1),
            np.concatenate([np.empty(0), *(part.quote_volume for part in parts)]),
            np.concatenate([np.empty(0), *(part.trades for part in parts)]),
        )

    @staticmethod
    def of(ts_open_ms: IntArray, values: FloatArray) -> CandleRows:
        """Rows without the optional columns."""
        unknown = np.full(ts_open_ms.shape[0], np.nan)
        return CandleRows(ts_open_ms, values, unknown, unknown.copy())


def screen(rows: CandleRows) -> tuple[CandleRows, list[RefusedRows]]:
    """Part the candles from what is not one: sorted, unique, sane rows and a `RefusedRows` a reason.

    An exact repetition of a row is dropped silently; two rows of one minute with other values are both
    refused, because nothing says which is true.
    """
    sane = np.ones(len(rows), bool)
    refused: list[RefusedRows] = []
    for reason, bad in _rules(rows):
        _note(refused, reason, rows, np.flatnonzero(bad & sane))
        sane &= ~bad
    candidates = np.flatnonzero(sane)
    unique, conflicting = _without_repetitions(rows.take(candidates))
    _note(refused, "two rows of one minute differ", rows, candidates[conflicting])
    return unique, refused


def _note(refused: list[RefusedRows], reason: str, rows: CandleRows, indices: IntArray) -> None:
    if indices.size:
        example = describe_row(rows, int(indices[0]))
        refused.append(RefusedRows(reason=reason, count=int(indices.size), first_example=example))


def _rules(rows: CandleRows) -> list[tuple[str, NDArray[np.bool_]]]:
    open_, high, low, close, volume = rows.values
    prices = rows.values[:4]
    out_of_years = (rows.ts_open_ms < YEAR_2009_MS) | (rows.ts_open_ms >= YEAR_2100_MS)
    outside = (np.maximum(open_, close) > high) | (np.minimum(open_, close) < low)
    return [
        ("not a finite number", ~np.isfinite(rows.values).all(axis=0)),
        ("stamp out of the years 2009 to 2099", out_of_years),
        ("opens off the minute", rows.ts_open_ms % MINUTE_MS != 0),
        ("price not above zero", (prices <= 0).any(axis=0)),
        ("negative volume", volume < 0),
        ("high below low", high < low),
        ("open or close outside high and low", outside),
    ]


def _without_repetitions(rows: CandleRows) -> tuple[CandleRows, IntArray]:
    """The rows in order of time, one a minute, and the indices of those whose minute has two values."""
    order = np.argsort(rows.ts_open_ms, kind="stable")
    stamps, values = rows.ts_open_ms[order], rows.values[:, order]
    repeats = stamps[1:] == stamps[:-1]
    differs = repeats & (values[:, 1:] != values[:, :-1]).any(axis=0)
    conflicting = np.isin(stamps, stamps[1:][differs])
    first_of_minute = np.concatenate(([True], ~repeats)) if len(rows) else np.zeros(0, bool)
    return rows.take(order[first_of_minute & ~conflicting]), np.sort(order[conflicting])


def describe_row(rows: CandleRows, index: int) -> str:
    """A row in words, by its number in the source."""
    ts_ms = int(rows.ts_open_ms[index])
    try:
        when = iso(ts_ms) if ts_ms else "unreadable time"
    except (ValueError, OverflowError, OSError):
        when = f"{ts_ms} ms"
    fields = " ".join(f"{name}={rows.values[row, index]:.15g}" for row, name in enumerate(COLUMNS))
    return f"row {rows.first_row + index}: {when} {fields}"
