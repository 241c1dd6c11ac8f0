"""Store of markets and instruments: the tables `ref_market` and `ref_instruments`."""

from __future__ import annotations

import time
from collections.abc import Iterable

import pyarrow as pa

from candleray.databases.clickhouse import ClickHouse
from candleray.markets import MARKETS, InstrumentReference, Market

_MOMENT = pa.timestamp("ms", "UTC")


class InstrumentStore:
    def __init__(self, session: ClickHouse) -> None:
        self._session = session

    def markets(self) -> list[Market]:
        return [Market(**row) for row in self._session.rows("read_markets")]

    def put_markets(self) -> None:
        """Write the markets that `ref_market` lacks or has with other values."""
        stored = self.markets()
        changed = [market for market in MARKETS.values() if market not in stored]
        if changed:
            columns = ("market_id", "exchange", "market_type", "fee_pct")
            records = [{name: getattr(market, name) for name in columns} for market in changed]
            self._insert("ref_market", records)

    def put(self, instruments: Iterable[InstrumentReference]) -> int:
        stored = {_identity(reference): reference for reference in self._stored()}
        latest = {_identity(reference): reference for reference in instruments}
        changed = [reference for identity, reference in latest.items() if stored.get(identity) != reference]
        if changed:
            records = [{**reference.model_dump(), "instrument_key": reference.key} for reference in changed]
            self._insert("ref_instruments", records)
        return len(changed)

    def find(self, market_id: int, query: str, limit: int) -> list[InstrumentReference]:
        """Instruments with the query in their symbol: exact, then by prefix, then by part; market 0 means all."""
        rows = self._session.rows("find_instruments", market_id=market_id, query=query, limit=limit)
        return [InstrumentReference(**row) for row in rows]

    def _stored(self) -> list[InstrumentReference]:
        return [InstrumentReference(**row) for row in self._session.rows("read_references")]

    def _insert(self, table: str, records: list[dict[str, object]]) -> None:
        rows = pa.Table.from_pylist(records)
        # Above the version it replaces, even if the clock went back: of two rows the younger one counts.
        newest_ms: int = self._session.rows("newest_update", table=table)[0]["newest_ms"]
        version_ms = max(time.time_ns() // 1_000_000, newest_ms + 1)
        updated_at = pa.array([version_ms] * len(rows), pa.int64()).cast(_MOMENT)
        self._session.insert(table, rows.append_column("updated_at", updated_at))


def _identity(reference: InstrumentReference) -> tuple[int, str]:
    return reference.market_id, reference.symbol
