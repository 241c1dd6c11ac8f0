"""Reads of the raw tables, which keep every version of every minute.

A version counts from its `ingested_at` on, which increases with every insert of a process and with every version
of a minute. So what was known at a moment that has passed stays the same, except where a process has started by a
clock that was set back: what it inserts counts from moments that had passed before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from candleray.candles import Candles
from candleray.databases.clickhouse import ClickHouse
from candleray.errors import invalid
from candleray.market_data.arrow_tables import candles_of, stamps_of
from candleray.market_data.ledger.all_versions import Versions
from candleray.market_data.ledger.versions import CandleVersion, RevisionPage
from candleray.markets import Instrument, Market
from candleray.timeframes import MINUTE_MS, from_ms, iso

FIRST_POSITION = (0, 0)


class CandleLedger:
    def __init__(self, session: ClickHouse) -> None:
        self._session = session

    def read_as_of(self, instrument: Instrument, start_ms: int, end_ms: int, as_of_ms: int) -> Candles:
        """Read the newest version that each minute of `[start_ms, end_ms)` had at that moment."""
        window = {**_place(instrument), "start_ms": start_ms, "end_ms": end_ms}
        return candles_of(self._session.table("read_as_of", as_of_ms=as_of_ms, **window))

    def read_first(self, instrument: Instrument, start_ms: int, end_ms: int) -> Candles:
        """Read the version of each minute of `[start_ms, end_ms)` that came first."""
        window = {**_place(instrument), "start_ms": start_ms, "end_ms": end_ms}
        return candles_of(self._session.table("read_first_versions", **window))

    def read_versions(
        self, market: Market, symbols: Sequence[str], start_ms: int, end_ms: int
    ) -> dict[str, Versions]:
        """Read every version of the minutes of `[start_ms, end_ms)`, by symbol; none of a symbol that has none."""
        place = {"raw_table": market.raw_table, "market_id": market.market_id, "symbols": list(symbols)}
        table = self._session.table("read_all_versions", start_ms=start_ms, end_ms=end_ms, **place)
        found = Versions(candles_of(table), stamps_of(table, "ingested_at_ms"))
        owners = table["symbol"].to_numpy()
        first = np.flatnonzero(np.r_[True, owners[1:] != owners[:-1]]) if len(owners) else np.empty(0, np.int64)
        ends = [*first[1:].tolist(), len(owners)]
        return {owners[at]: found.part(at, end) for at, end in zip(first.tolist(), ends, strict=False)}

    def span_as_of(self, instrument: Instrument, as_of_ms: int) -> tuple[int, int]:
        """`[first, end)` of the minutes that were known at that moment; `(0, 0)` where nothing ever came.

        Raises:
            InvalidInput: nothing had come by then, but later.
        """
        span = self._session.rows("read_span_as_of", as_of_ms=as_of_ms, **_place(instrument))[0]
        if span["found"]:
            return span["first_ms"], span["last_ms"] + MINUTE_MS
        first = self._session.rows("first_version", **_place(instrument))[0]
        if first["found"]:
            raise invalid(
                "as_of",
                "before_first_version",
                f"as_of: {iso(as_of_ms)} is before the first version of any candle of {instrument.market.name} "
                f"{instrument.symbol}, which came at {iso(first['first_ms'])}: ask for that moment or a later one",
            )
        return 0, 0

    def revisions(
        self, instrument: Instrument, start_ms: int, end_ms: int, after: tuple[int, int], limit: int
    ) -> RevisionPage:
        """The first `limit` versions behind that position of the minutes with more than one value.

        A version that only adds a quote volume or a number of trades that was unknown gives a minute no second
        value; of a minute that has one all versions are told.

        Args:
            after: stamp and `ingested_at` of the last version of the page before, in ms.
        """
        rows = self._session.rows(
            "read_revisions",
            start_ms=max(start_ms, after[0]),
            end_ms=end_ms,
            after_ts_ms=after[0],
            after_version_ms=after[1],
            limit=limit + 1,
            **_place(instrument),
        )
        last = rows[limit - 1] if len(rows) > limit else None
        next_cursor = f"{last['ts_open_ms']}-{last['ingested_at_ms']}" if last else None
        return RevisionPage(
            instrument=instrument,
            versions=tuple(_version(row) for row in rows[:limit]),
            next_cursor=next_cursor,
        )


def position_of(cursor: str) -> tuple[int, int]:
    """The position that a page of revisions has named."""
    ts_open_ms, ingested_at_ms = cursor.split("-")
    return int(ts_open_ms), int(ingested_at_ms)


def _place(instrument: Instrument) -> dict[str, Any]:
    return {
        "raw_table": instrument.market.raw_table,
        "market_id": instrument.market_id,
        "symbol": instrument.symbol,
    }


def _version(row: dict[str, Any]) -> CandleVersion:
    ts_open_ms, seen_ms = row.pop("ts_open_ms"), row.pop("ingested_at_ms")
    return CandleVersion(
        ts_open=from_ms(ts_open_ms), seen_at=from_ms(seen_ms), lag_ms=seen_ms - ts_open_ms - MINUTE_MS, **row
    )
