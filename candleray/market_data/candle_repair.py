"""Repair of the two tables of candles from each other: what one has lost the other still has.

A kill between raw and its view leaves canonical behind. A broken part (truncated, changed or missing files) is set
aside, by the engine when it opens the table, by us where a read has failed on it; its rows are gone from
its table alone. Older versions of a minute are in raw alone: of those nothing can be restored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from candleray.databases.clickhouse import ClickHouse
from candleray.errors import ServiceUnavailable
from candleray.frozen_model import FrozenModel
from candleray.logs import get_logger
from candleray.markets import MARKETS

log = get_logger("candle-store")

CANONICAL = "canonical_candles_1m"
_MONTHS_AT_ONCE = 500
"""Their names go with the question, in whose address a server takes a megabyte."""
REFERENCES = ("ref_market", "ref_instruments", "ref_instrument_changes", "ref_listings")


class PartSetAside(FrozenModel):
    """A part that nothing reads any more."""

    table: str
    name: str
    path: str
    """The folder of it, on the machine of the store."""
    rows: int | None
    """Its number of rows; None where that cannot be told any more."""


class StoreCondition(FrozenModel):
    """Rows that the last repair has restored, and parts that are set aside."""

    canonical_restored: int = 0
    """Rows that canonical got from raw."""
    raw_restored: int = 0
    """Rows that raw got from canonical."""
    set_aside: tuple[PartSetAside, ...] = ()

    def notice(self) -> str:
        """Tell in a sentence what an operator should know; nothing where no part is set aside."""
        if not self.set_aside:
            return ""
        tables = Counter(part.table for part in self.set_aside)
        parts = ", ".join(f"{count} of {table}" for table, count in sorted(tables.items()))
        rows = sum(part.rows or 0 for part in self.set_aside)
        known = (
            f"{rows:,} rows" if all(part.rows is not None for part in self.set_aside) else f"{rows:,} rows or more"
        )
        count = _counted(len(self.set_aside), "broken part")
        return (
            f"{count} set aside ({parts}) with {known}; the last repair restored {self.raw_restored:,} raw rows "
            f"from canonical and {self.canonical_restored:,} canonical from raw; the log names the folders: "
            "remove them when nobody wants to look at them"
        )


class CandleRepair:
    def __init__(self, session: ClickHouse) -> None:
        self._session = session

    def repair(self, check: bool = False) -> StoreCondition:
        """Bring raw and canonical up to each other.

        Args:
            check: hold all parts against their checksums first, and set aside those that do not agree.
        """
        if check:
            self._set_broken_parts_aside()
        self._session.is_damaged = False
        canonical, raw = 0, 0
        for table, markets in _raw_tables().items():
            for month in self._differing_months(table, markets):
                instrument = (month.pop("market_id"), month.pop("symbol"))
                window = {"raw_table": table, "instruments": [instrument], **month}
                raw += restore_raw(self._session, window)
                canonical += restore_canonical(self._session, window)
        condition = StoreCondition(canonical_restored=canonical, raw_restored=raw, set_aside=self.set_aside())
        for part in condition.set_aside:
            log.warning("candle_part_set_aside", **part.model_dump())
        if raw or canonical:
            log.warning("candles_restored", raw_rows=raw, canonical_rows=canonical)
        return condition

    def set_aside(self) -> tuple[PartSetAside, ...]:
        return tuple(
            PartSetAside(**row, rows=_rows_of(row["path"])) for row in self._session.rows("parts_set_aside")
        )

    def _differing_months(self, raw_table: str, market_ids: list[int]) -> Iterator[dict[str, Any]]:
        """Instrument-months of which one of the two tables lacks a row."""
        suspects = self._session.rows("suspect_months", raw_table=raw_table, market_ids=market_ids)
        for first in range(0, len(suspects), _MONTHS_AT_ONCE):
            months = [tuple(month.values()) for month in suspects[first : first + _MONTHS_AT_ONCE]]
            yield from self._session.rows("differing_months", raw_table=raw_table, months=months)

    def _set_broken_parts_aside(self) -> None:
        for table in (*_raw_tables(), CANONICAL, *REFERENCES):
            for part, reason in self._session.broken_parts(table).items():
                log.error("candle_part_broken", table=table, part=part, reason=reason)
                with suppress(ServiceUnavailable):  # a merge may have replaced it meanwhile
                    self._session.run("set_part_aside", table=table, part=part)


def restore_canonical(session: ClickHouse, window: Mapping[str, object]) -> int:
    """Give canonical what raw has; return the number of minutes."""
    return _restore(session, window, "count_lost", "restore_lost")


def restore_raw(session: ClickHouse, window: Mapping[str, object]) -> int:
    """Give raw what canonical has; return the number of minutes."""
    return _restore(session, window, "count_lost_raw", "restore_lost_raw")


def _restore(session: ClickHouse, window: Mapping[str, object], count: str, restore: str) -> int:
    lost: int = session.rows(count, **window)[0]["lost"]
    if lost:
        session.run(restore, **window)
    return lost


def _raw_tables() -> dict[str, list[int]]:
    """The raw tables, each with the markets whose candles it has."""
    tables: dict[str, list[int]] = {}
    for market in MARKETS.values():
        tables.setdefault(market.raw_table, []).append(market.market_id)
    return tables


def _rows_of(path: str) -> int | None:
    """The number that the part's own file tells, where that is on this machine and whole."""
    try:
        return int(Path(path, "count.txt").read_text())
    except (OSError, ValueError):
        return None


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
