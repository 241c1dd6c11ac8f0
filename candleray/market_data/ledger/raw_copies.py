"""Copies of the raw tables, an instrument's month at a time: what a backup reads and a restore writes.

The raw tables keep every version of every minute, and canonical is made of them: with them everything is there.
"""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa

from candleray.databases.clickhouse import ClickHouse
from candleray.market_data.candle_repair import REFERENCES
from candleray.markets import MARKETS

RAW_TABLES = tuple(sorted({market.raw_table for market in MARKETS.values()}))
COPIED_WHOLE = (*REFERENCES, "schema_migrations")


class RawMonth(NamedTuple):
    """Rows of one instrument in one month, and a digest by which they are known to be the same later."""

    month: int
    """`202501` for January 2025."""
    rows: int
    digest: str


class RawCopies:
    def __init__(self, session: ClickHouse) -> None:
        self._session = session

    def copied_instruments(self, raw_table: str) -> list[tuple[int, str]]:
        """The instruments that have rows in a raw table."""
        return [
            (row["market_id"], row["symbol"]) for row in self._session.rows("raw_instruments", raw_table=raw_table)
        ]

    def copied_months(self, raw_table: str, market_id: int, symbol: str) -> list[RawMonth]:
        """The months of one instrument; a version that is added to one changes its digest."""
        place = {"raw_table": raw_table, "market_id": market_id, "symbol": symbol}
        return [
            RawMonth(row["month"], row["n"], f"{row['digest']:016x}")
            for row in self._session.rows("raw_months", **place)
        ]

    def copied_rows(self, raw_table: str, market_id: int, symbol: str, month: int) -> pa.Table:
        """The rows of a month, as they are stored and in the order of their versions."""
        place = {"raw_table": raw_table, "market_id": market_id, "symbol": symbol, "month": month}
        return self._session.table("raw_rows", **place)

    def copied_table(self, table: str) -> pa.Table:
        """The rows of one of `COPIED_WHOLE`."""
        return self._session.table("whole_table", table=table)

    def put(self, table: str, rows: pa.Table) -> None:
        """Write rows as they were copied; of raw ones the view brings canonical."""
        self._session.insert(table, rows)

    def count(self, table: str) -> int:
        """The number of rows as they are stored, all versions counted."""
        return int(self._session.rows("count_table", table=table)[0]["n"])
