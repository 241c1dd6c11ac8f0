"""The one layout of candles in memory.

`Candles` is struct-of-arrays: `ts_open_ms` int64 `(n,)`, strictly increasing, and `values` float64 `(5, n)`,
C-contiguous, whose rows are open, high, low, close, volume. A column is one contiguous run: the kernels read it,
and the object store shares it without a copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]

COLUMNS = ("open", "high", "low", "close", "volume")
"""The rows of `values`, in order."""


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
    """Rows as a source gave them, unchecked; unknown values are NaN."""

    ts_open_ms: IntArray
    values: FloatArray
    quote_volume: FloatArray
    trades: FloatArray
    first_row: int = 1
    """The number of the first row in its source, for messages."""
    numbers: IntArray | None = None
    """Each row's number, where they do not follow one another."""

    def __len__(self) -> int:
        return int(self.ts_open_ms.shape[0])

    def take(self, rows: IntArray) -> CandleRows:
        """The rows at these indices; each keeps its number in the source only where the rows are `numbered`."""
        return CandleRows(
            self.ts_open_ms[rows],
            np.ascontiguousarray(self.values[:, rows]),
            self.quote_volume[rows],
            self.trades[rows],
            numbers=None if self.numbers is None else self.numbers[rows],
        )

    def numbered(self) -> CandleRows:
        """The rows, each with its own number."""
        return replace(self, numbers=self.first_row + np.arange(len(self)))

    def number(self, index: int) -> int:
        return self.first_row + index if self.numbers is None else int(self.numbers[index])

    def parts(self, size: int) -> Iterator[CandleRows]:
        """The rows in order, `size` at a time, each with its number in the source."""
        for first in range(0, len(self), size):
            rows = slice(first, first + size)
            yield CandleRows(
                self.ts_open_ms[rows],
                self.values[:, rows],
                self.quote_volume[rows],
                self.trades[rows],
                self.first_row + first,
                None if self.numbers is None else self.numbers[rows],
            )

    @staticmethod
    def join(parts: Sequence[CandleRows]) -> CandleRows:
        """Several parts one after another; no rows where there are no parts."""
        return CandleRows(
            np.concatenate([np.empty(0, np.int64), *(part.ts_open_ms for part in parts)]),
            np.concatenate([np.empty((len(COLUMNS), 0)), *(part.values for part in parts)], axis=1),
            np.concatenate([np.empty(0), *(part.quote_volume for part in parts)]),
            np.concatenate([np.empty(0), *(part.trades for part in parts)]),
        )

    @staticmethod
    def of(ts_open_ms: IntArray, values: FloatArray) -> CandleRows:
        """Rows whose optional columns are unknown."""
        unknown = np.full(ts_open_ms.shape[0], np.nan)
        return CandleRows(ts_open_ms, values, unknown, unknown.copy())
