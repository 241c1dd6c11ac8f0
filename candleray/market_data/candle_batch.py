"""Rows of many instruments as one, so that a thousand instruments of one candle cost little more than one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from candleray.candles import CandleRows, IntArray
from candleray.market_data.months import MOST_MONTHS, months_of
from candleray.markets import Instrument
from candleray.timeframes import MINUTE_MS

SHARED_WINDOW_MS = 180 * MINUTE_MS
"""The longest stretch of time that several instruments share: a query reads all of it of each of them."""
SHARED_INSTRUMENTS = 1000
"""The most instruments of one query, which names each."""

CandlePart: TypeAlias = tuple[Instrument, CandleRows]


@dataclass(frozen=True)
class CandleBatch:
    """Screened rows, one instrument after another, each in order of time with one row a minute."""

    instruments: tuple[Instrument, ...]
    owners: IntArray
    """`(n,)`: the index of each row's instrument."""
    rows: CandleRows

    def __len__(self) -> int:
        return len(self.rows)

    @staticmethod
    def of(parts: Sequence[CandlePart]) -> CandleBatch:
        """Several instruments' rows; no instrument may be there twice."""
        return CandleBatch(
            tuple(instrument for instrument, _ in parts),
            np.repeat(np.arange(len(parts)), [len(rows) for _, rows in parts]),
            parts[0][1] if len(parts) == 1 else CandleRows.join([rows for _, rows in parts]),
        )

    @staticmethod
    def join(batches: Sequence[CandleBatch]) -> CandleBatch:
        """Several batches as one; an instrument may then be there twice."""
        if len(batches) == 1:
            return batches[0]
        before = np.cumsum([0, *(len(batch.instruments) for batch in batches)])
        return CandleBatch(
            tuple(instrument for batch in batches for instrument in batch.instruments),
            np.concatenate([batch.owners + first for batch, first in zip(batches, before, strict=False)]),
            CandleRows.join([batch.rows for batch in batches]),
        )

    def where(self, chosen: NDArray[np.bool_]) -> CandleBatch:
        """The chosen rows; the instruments stay, also those that have no row left."""
        if chosen.all():
            return self
        at = np.flatnonzero(chosen)
        return CandleBatch(self.instruments, self.owners[at], self.rows.take(at))

    def of_one(self, at: int) -> CandleBatch:
        """The rows of one instrument, and no other instrument."""
        rows = self.rows.take(np.flatnonzero(self.owners == at))
        return CandleBatch((self.instruments[at],), np.zeros(len(rows), np.int64), rows)

    @property
    def keys(self) -> IntArray:
        """`(n,)`, increasing: instrument and minute of each row in one number."""
        return keys_of(self.owners, self.rows.ts_open_ms)

    @property
    def first_ms(self) -> IntArray:
        """The first minute of each instrument; every one must have a row."""
        first: IntArray = self.rows.ts_open_ms[np.searchsorted(self.owners, np.arange(len(self.instruments)))]
        return first

    @property
    def start_ms(self) -> int:
        return int(self.rows.ts_open_ms.min())

    @property
    def end_ms(self) -> int:
        return int(self.rows.ts_open_ms.max()) + MINUTE_MS

    @property
    def raw_table(self) -> str:
        return self.instruments[0].market.raw_table

    @property
    def name(self) -> str:
        """The instruments, for messages."""
        others = len(self.instruments) - 1
        return self.instruments[0].key + (f" and {others} other instruments" if others else "")

    def window(self) -> dict[str, object]:
        """Query parameters: the instruments, from the first to the last minute of any of them."""
        return {
            "raw_table": self.raw_table,
            "instruments": [(one.market_id, one.symbol) for one in self.instruments],
            "start_ms": self.start_ms,
            "end_ms": self.end_ms,
        }

    def counts(self) -> IntArray:
        """The number of rows of each instrument."""
        counts: IntArray = np.bincount(self.owners, minlength=len(self.instruments))
        return counts


def keys_of(owners: IntArray, ts_open_ms: IntArray) -> IntArray:
    keys: IntArray = owners.astype(np.int64) << 32 | ts_open_ms // MINUTE_MS
    return keys


def sections(parts: Iterable[CandlePart]) -> Iterator[CandleBatch]:
    """The parts as batches that one query compares or counts: of one raw table, near each other in time.

    A part that is longer than what several may share is a batch of its own.
    """
    filled = [part for part in parts if len(part[1])]
    ordered = sorted(filled, key=lambda part: (part[0].market.raw_table, int(part[1].ts_open_ms[0])))
    for _, of_table in groupby(ordered, key=lambda part: part[0].market.raw_table):
        near: list[CandlePart] = []
        for instrument, rows in of_table:
            if near and (len(near) == SHARED_INSTRUMENTS or _stretch_ms(near[0], rows) > SHARED_WINDOW_MS):
                yield CandleBatch.of(near)
                near = []
            near.append((instrument, rows))
            if _stretch_ms(near[0], rows) > SHARED_WINDOW_MS:
                yield CandleBatch.of(near)
                near = []
        if near:
            yield CandleBatch.of(near)


def inserts(batches: Iterable[CandleBatch]) -> Iterator[list[CandleBatch]]:
    """The batches in the groups that may go in by one insert: of one raw table, in a hundred months at most."""
    group: list[CandleBatch] = []
    months = np.empty(0, np.int64)
    for batch in batches:
        together = np.union1d(months, own := months_of(batch.rows.ts_open_ms))
        if group and (together.size > MOST_MONTHS or batch.raw_table != group[0].raw_table):
            yield group
            group, together = [], own
        group.append(batch)
        months = together
    if group:
        yield group


def _stretch_ms(first: CandlePart, rows: CandleRows) -> int:
    return int(rows.ts_open_ms[-1] - first[1].ts_open_ms[0]) + MINUTE_MS
