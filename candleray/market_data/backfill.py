"""Backfill of an instrument's history: only minutes that the store lacks are asked for.

The store is the only state. Minutes that were put are not asked for again, so a backfill may be killed at any
moment and started again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from candleray.candles import CandleRows
from candleray.errors import invalid
from candleray.market_data.backfill_report import BackfillReport, BackfillStep
from candleray.market_data.coverage import runs_of
from candleray.market_data.history import History
from candleray.market_data.insert_report import InsertReport
from candleray.markets import Market
from candleray.timeframes import MINUTE_MS, from_ms, iso

BATCH_ROWS = 20_000
"""Rows of one put: enough to make an insert cheap, few enough that a kill costs a second's work."""

STEP_MINUTES = 20_000
"""Missing minutes that one step asks for: seconds of one request, and as many rows as one put."""

_NEAR_MS = 250 * MINUTE_MS
"""Holes nearer than this are fetched together: a page costs as much as the rows between them."""


class CandleSink(Protocol):
    """The store that a backfill fills; both methods are called from a thread."""

    def missing(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> list[tuple[int, int]]:
        """The missing minutes of `[start_ms, end_ms)` as ranges `[start, end)`, in order of time."""
        ...

    def put(self, market_id: int, symbol: str, rows: CandleRows) -> InsertReport:
        """Keep the rows for good before returning; refuse those that are not candles."""
        ...


@dataclass(frozen=True)
class BackfillProgress:
    """Progress of one instrument; `rows_expected` were missing at the start, and a venue may have fewer."""

    market: Market
    symbol: str
    rows_done: int
    rows_expected: int
    elapsed_s: float

    @property
    def rows_per_s(self) -> float:
        return self.rows_done / self.elapsed_s if self.elapsed_s else 0.0


async def backfill(
    history: History,
    sink: CandleSink,
    market: Market,
    symbol: str,
    start_ms: int,
    end_ms: int,
    on_progress: Callable[[BackfillProgress], None] = lambda progress: None,
) -> BackfillReport:
    """Fetch the closed minutes that the sink lacks and put them there, about 20,000 rows at a time.

    Raises:
        InvalidInput: the range is empty.
        NotFound, RateLimited, ExchangeError: see `History.candles`; rows that were put before stay.
    """
    if start_ms >= end_ms:
        raise invalid("end", "empty_range", f"start {iso(start_ms)} must be before end {iso(end_ms)}")
    started = time.monotonic()
    end_ms = max(start_ms, min(end_ms, await history.closed_until_ms(market)))
    before = await asyncio.to_thread(sink.missing, market.market_id, symbol, start_ms, end_ms)
    expected, fetched, batch = _minutes(before), 0, _Batch(sink, market, symbol)

    def report_progress() -> None:
        on_progress(BackfillProgress(market, symbol, fetched, expected, time.monotonic() - started))

    report_progress()
    async with batch:
        for hole_start_ms, hole_end_ms in _near_holes_together(before):
            async with aclosing(history.candles(market, symbol, hole_start_ms, hole_end_ms)) as pages:
                async for rows in pages:
                    fetched += len(rows)
                    await batch.add(rows)
                    report_progress()
    absent = await asyncio.to_thread(sink.missing, market.market_id, symbol, start_ms, end_ms) if before else []
    return BackfillReport(
        market_id=market.market_id,
        symbol=symbol,
        start=from_ms(start_ms),
        end=from_ms(end_ms),
        missing_before=expected,
        fetched=fetched,
        inserted=batch.report,
        absent=runs_of(absent),
        elapsed_s=time.monotonic() - started,
    )


async def backfill_step(
    history: History, sink: CandleSink, market: Market, symbol: str, start_ms: int, end_ms: int
) -> BackfillStep:
    """Backfill the first 20,000 missing minutes of the range; see `backfill` for what it raises."""
    end_ms = max(start_ms, min(end_ms, await history.closed_until_ms(market)))
    missing = await asyncio.to_thread(sink.missing, market.market_id, symbol, start_ms, end_ms)
    until_ms = _end_of_step(missing, end_ms)
    report = await backfill(history, sink, market, symbol, start_ms, max(until_ms, start_ms + 1))
    return BackfillStep(report=report, next_start=from_ms(until_ms) if until_ms < end_ms else None)


def _end_of_step(missing: Sequence[tuple[int, int]], end_ms: int) -> int:
    left_ms = STEP_MINUTES * MINUTE_MS
    for hole_start_ms, hole_end_ms in missing:
        if hole_end_ms - hole_start_ms >= left_ms:
            return hole_start_ms + left_ms
        left_ms -= hole_end_ms - hole_start_ms
    return end_ms


class _Batch:
    """Pages on their way into the sink: while one batch is put, the next is fetched; never are two put at once."""

    def __init__(self, sink: CandleSink, market: Market, symbol: str) -> None:
        self._sink, self._market, self._symbol = sink, market, symbol
        self._pages: list[CandleRows] = []
        self._under_way: asyncio.Task[InsertReport] | None = None
        self.report = InsertReport()

    async def __aenter__(self) -> _Batch:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            await self._start_put()
        await self._finish_put()

    async def add(self, rows: CandleRows) -> None:
        self._pages.append(rows)
        if sum(len(page) for page in self._pages) >= BATCH_ROWS:
            await self._start_put()

    async def _start_put(self) -> None:
        await self._finish_put()
        if self._pages:
            rows, self._pages = CandleRows.join(self._pages), []
            put = asyncio.to_thread(self._sink.put, self._market.market_id, self._symbol, rows)
            self._under_way = asyncio.create_task(put)

    async def _finish_put(self) -> None:
        if self._under_way:
            under_way, self._under_way = self._under_way, None
            self.report += await under_way


def _near_holes_together(holes: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start_ms, end_ms in holes:
        if joined and start_ms - joined[-1][1] <= _NEAR_MS:
            joined[-1] = joined[-1][0], end_ms
        else:
            joined.append((start_ms, end_ms))
    return joined


def _minutes(holes: Sequence[tuple[int, int]]) -> int:
    return sum((end_ms - start_ms) // MINUTE_MS for start_ms, end_ms in holes)
