"""Audit of what is written for all users: who wrote which rows of what, and where they came from.

The rows are in ClickHouse and the trail in Postgres, so the event follows the rows. A request whose event could
not be recorded fails; sent again, it changes nothing and leaves its event.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from pydantic import Field

from candleray.candles import CandleRows
from candleray.databases.postgres import Postgres
from candleray.identity.audit import Event
from candleray.identity.audit_store import record
from candleray.identity.tokens import Caller
from candleray.logs import get_logger
from candleray.market_data.insert_report import InsertReport
from candleray.market_data.instruments.changes import ListingReport
from candleray.markets import Instrument, InstrumentReference, find_market
from candleray.timeframes import iso
from candleray.validation import Model
from serve_apps.metrics import Metrics

log = get_logger("shared-writes")


class SourceQuery(Model):
    """The part of a query that says where rows come from."""

    source: str = Field(
        "not said",
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description="where the rows come from, such as the name of a file; kept in the audit trail",
    )


@dataclass(frozen=True)
class SharedWrites:
    """The trail of them, and the metric of rows."""

    postgres: Callable[[], Awaitable[Postgres]]
    metrics: Metrics

    async def record_candles(
        self, author: Caller, instrument: Instrument, rows: CandleRows, report: InsertReport, source: str
    ) -> None:
        """Record an insert of at least one row."""
        if not len(rows):
            return
        self.metrics.rows_ingested(instrument.market.name, report.written)
        await self._record(
            author,
            "candles_written",
            market=instrument.market.name,
            symbol=instrument.symbol,
            first_minute=_moment_text(int(rows.ts_open_ms.min())),
            last_minute=_moment_text(int(rows.ts_open_ms.max())),
            received=report.received,
            written=report.written,
            changed=report.changed,
            refused=report.refused_count,
            source=source,
        )

    async def record_instruments(
        self, author: Caller, references: Sequence[InstrumentReference], written: int, source: str
    ) -> None:
        markets = sorted({reference.market_id for reference in references})
        await self._record(
            author,
            "instruments_written",
            markets=", ".join(find_market(market).name for market in markets),
            received=len(references),
            written=written,
            source=source,
        )

    async def record_listing(self, author: Caller, report: ListingReport) -> None:
        await self._record(
            author,
            "instruments_refreshed",
            market=find_market(report.market_id).name,
            listed=report.listed,
            written=report.written,
            changes=report.changes_text(),
        )

    async def _record(self, author: Caller, event: Event, **details: str | int) -> None:
        log.info(event, user_id=str(author.user.user_id), **details)
        async with (await self.postgres()).transaction() as transaction:
            await record(transaction, author.user.user_id, event, **details, token_id=str(author.token_id))


def _moment_text(ts_ms: int) -> str:
    try:
        return iso(ts_ms)
    except (ValueError, OverflowError, OSError):
        return f"{ts_ms} ms"
