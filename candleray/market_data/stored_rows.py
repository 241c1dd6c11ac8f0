"""Stored rows that an insert is compared with."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from candleray.candles import CandleRows, IntArray
from candleray.databases.clickhouse import ClickHouse
from candleray.market_data.arrow_tables import rows_of, stamps_of
from candleray.market_data.candle_batch import SHARED_WINDOW_MS, CandleBatch, keys_of
from candleray.market_data.screening import YEAR_2100_MS
from candleray.markets import Instrument
from candleray.timeframes import MINUTE_MS


class StoredRows:
    """Canonical, and from which minute on it has no row of an instrument.

    What comes live lies behind that minute, and is new without a look: of a thousand instruments a look takes a
    second.
    """

    def __init__(self, session: ClickHouse) -> None:
        self._session = session
        self._ends_ms: dict[Instrument, int] = {}

    def forget(self) -> None:
        self._ends_ms.clear()

    def like(self, section: CandleBatch, clock_ms: int) -> tuple[IntArray, CandleRows, IntArray]:
        """The newest versions of the rows near those of a section, with their keys; and of each instrument the
        newest version among them, 0 where there is none."""
        newest_ms = np.zeros(len(section.instruments), np.int64)
        unsure = [
            at
            for at, (instrument, first_ms) in enumerate(
                zip(section.instruments, section.first_ms.tolist(), strict=True)
            )
            if first_ms < self._ends_ms.get(instrument, YEAR_2100_MS)
        ]
        if not unsure:
            return np.empty(0, np.int64), CandleRows.join([]), newest_ms
        is_recent = section.start_ms >= clock_ms - SHARED_WINDOW_MS
        end_ms = YEAR_2100_MS if is_recent else section.end_ms
        named = [(section.instruments[at].market_id, section.instruments[at].symbol) for at in unsure]
        table = self._session.table("read_versions", instruments=named, start_ms=section.start_ms, end_ms=end_ms)
        owners = np.array(unsure, np.int64)[_places(table, named)]
        rows = rows_of(table)
        np.maximum.at(newest_ms, owners, stamps_of(table, "ingested_at_ms"))
        if is_recent:
            self._learn_ends(section, unsure, owners, rows.ts_open_ms)
        keys = keys_of(owners, rows.ts_open_ms)
        order = np.argsort(keys, kind="stable")
        return keys[order], rows.take(order), newest_ms

    def learn(self, section: CandleBatch) -> None:
        """Know that the rows of a section are stored."""
        last = np.searchsorted(section.owners, np.arange(len(section.instruments)), side="right") - 1
        ends_ms = (section.rows.ts_open_ms[last] + MINUTE_MS).tolist()
        for instrument, end_ms in zip(section.instruments, ends_ms, strict=True):
            if end_ms > self._ends_ms.get(instrument, YEAR_2100_MS):
                self._ends_ms[instrument] = end_ms

    def _learn_ends(self, section: CandleBatch, unsure: list[int], owners: IntArray, ts_open_ms: IntArray) -> None:
        """Know the ends of instruments of which everything from the section's start on was read."""
        ends_ms = np.full(len(section.instruments), section.start_ms, np.int64)
        np.maximum.at(ends_ms, owners, ts_open_ms + MINUTE_MS)
        for at in unsure:
            self._ends_ms[section.instruments[at]] = int(ends_ms[at])


def _places(table: pa.Table, named: list[tuple[int, str]]) -> IntArray:
    """`(n,)`: the place in `named` of each row's instrument."""
    if len(named) == 1:
        return np.zeros(len(table), np.int64)
    place_of = {name: place for place, name in enumerate(named)}
    names = zip(table["market_id"].to_pylist(), table["symbol"].to_pylist(), strict=True)
    return np.fromiter((place_of[name] for name in names), np.int64, len(table))
