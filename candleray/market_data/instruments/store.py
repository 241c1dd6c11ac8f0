"""Store of markets and instruments, and of the changes of instruments: the tables `ref_…`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import pyarrow as pa

from candleray.databases.clickhouse import ClickHouse
from candleray.market_data.instruments.changes import (
    ChangeKind,
    InstrumentChange,
    ListingReport,
    changes_between,
    with_vanished,
)
from candleray.markets import MARKETS, InstrumentReference, Market
from candleray.timeframes import from_ms

_MOMENT = pa.timestamp("ms", "UTC")
_Identity: TypeAlias = tuple[int, str]


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
        """Write those that are new or have changed, and the changes; return the number of instruments."""
        given = list(instruments)
        return self._put(given, self._stored({reference.market_id for reference in given}))[0]

    def refresh(
        self, market: Market, listed: Sequence[InstrumentReference], may_shrink: bool = False
    ) -> ListingReport:
        """Write the complete list of a market; a stored instrument that it lacks stays, as no longer tradable.

        Raises:
            ExchangeError: it lacks most of the stored ones, and may not.
        """
        stored = self._stored([market.market_id])
        of_market = {one.symbol: one for one, _ in stored.values()}
        now = from_ms(time.time_ns() // 1_000_000)
        written, kinds = self._put(with_vanished(market, listed, of_market, now, may_shrink), stored)
        self._insert("ref_listings", [{"market_id": market.market_id, "instruments": len(listed)}])
        return ListingReport(market_id=market.market_id, listed=len(listed), written=written, changes=kinds)

    def changes(
        self, market_id: int, symbol: str, since_ms: int, limit: int, offset: int = 0
    ) -> list[InstrumentChange]:
        """The newest first; market 0 means all, and so does no symbol."""
        window = {"since_ms": since_ms, "limit": limit, "offset": offset}
        rows = self._session.rows("read_instrument_changes", market_id=market_id, symbol=symbol, **window)
        return [InstrumentChange(**row) for row in rows]

    def _put(
        self,
        instruments: Sequence[InstrumentReference],
        stored: Mapping[_Identity, tuple[InstrumentReference, int]],
    ) -> tuple[int, dict[ChangeKind, int]]:
        latest = {_identity(reference): reference for reference in instruments}
        changed = {
            identity: reference
            for identity, reference in latest.items()
            if identity not in stored or stored[identity][0] != reference
        }
        if not changed:
            return 0, {}
        listings = {row["market_id"] for row in self._session.rows("read_listings")}
        changes: list[dict[str, Any]] = []
        kinds: Counter[ChangeKind] = Counter()
        for (market_id, symbol), reference in changed.items():
            before, version_ms = stored.get((market_id, symbol), (None, 0))
            if before is None and market_id not in listings:
                continue  # before a market's first complete list, one that is new to us need not be new there
            place = {"market_id": market_id, "symbol": symbol, "follows": from_ms(version_ms)}
            for kind, old, new in changes_between(before, reference):
                changes.append({**place, "kind": kind, "before": old, "after": new})
                kinds[kind] += 1
        if changes:
            self._insert("ref_instrument_changes", changes)
        records = [{**reference.model_dump(), "instrument_key": reference.key} for reference in changed.values()]
        self._insert("ref_instruments", records)
        return len(changed), dict(kinds)

    def find(self, market_id: int, query: str, limit: int, offset: int = 0) -> list[InstrumentReference]:
        """Instruments with the query in their symbol: exact, then by prefix, then by part; market 0 means all."""
        window = {"limit": limit, "offset": offset}
        rows = self._session.rows("find_instruments", market_id=market_id, query=query, **window)
        return [InstrumentReference(**row) for row in rows]

    def _stored(self, market_ids: Iterable[int]) -> dict[_Identity, tuple[InstrumentReference, int]]:
        """Every reference of these markets with its version."""
        rows = self._session.rows("read_references", market_ids=sorted(market_ids))
        versions = [(row.pop("version_ms"), InstrumentReference(**row)) for row in rows]
        return {_identity(reference): (reference, version_ms) for version_ms, reference in versions}

    def _insert(self, table: str, records: list[dict[str, Any]]) -> None:
        rows = pa.Table.from_pylist(records)
        # Above the version it replaces, even if the clock went back: of two rows the younger one counts.
        newest_ms: int = self._session.rows("newest_update", table=table)[0]["newest_ms"]
        version_ms = max(time.time_ns() // 1_000_000, newest_ms + 1)
        updated_at = pa.array([version_ms] * len(rows), pa.int64()).cast(_MOMENT)
        self._session.insert(table, rows.append_column("updated_at", updated_at))


def _identity(reference: InstrumentReference) -> _Identity:
    return reference.market_id, reference.symbol
