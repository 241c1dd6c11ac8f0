"""Backfills that the instance runs for its users: from the exchange alone, and of missing minutes alone.

A user says what is wanted and never where it comes from. So what they bring in is what anybody would have got.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar
from uuid import UUID

import numpy as np

from candleray.candles import CandleRows
from candleray.duties.instrument_refresh import refresh_instruments
from candleray.errors import NotFound, ServiceUnavailable, TooManyRequests, nearest
from candleray.feeds.subscription_store import SubscriptionStore
from candleray.identity.tokens import Caller
from candleray.market_data.backfill import backfill_step
from candleray.market_data.backfill_report import BackfillRequest, BackfillStep
from candleray.market_data.candle_store_client import CandleStoreClient
from candleray.market_data.history import History
from candleray.market_data.insert_report import InsertReport
from candleray.market_data.instruments.changes import ListingReport
from candleray.market_data.months import within_months
from candleray.markets import Instrument, Market
from candleray.timeframes import to_ms
from serve_apps.shared_writes import SharedWrites

MOST_AT_ONCE = 4
"""Steps that one replica takes at once; of one user it takes one."""
STEP_TIMEOUT_S = 100.0

T = TypeVar("T")


class Backfills:
    """One connection to the exchanges for all users, so that together they keep within the exchanges' limits."""

    def __init__(self, open_history: Callable[[], History]) -> None:
        self._open_history = open_history
        self._history: History | None = None
        self._under_way: set[UUID] = set()

    async def close(self) -> None:
        if self._history:
            await self._history.__aexit__(None, None, None)
        self._history = None

    async def refresh(
        self, candles: CandleStoreClient, subscriptions: SubscriptionStore, market: Market, may_shrink: bool
    ) -> ListingReport:
        """Keep a market's complete list of instruments as its exchange gives it; see `refresh_instruments`."""
        self._history = history = self._history or self._open_history()
        return await refresh_instruments(history, candles, subscriptions, market, may_shrink)

    async def step(
        self, candles: CandleStoreClient, writes: SharedWrites, author: Caller, request: BackfillRequest
    ) -> BackfillStep:
        """Fetch the first missing minutes of the range.

        Raises:
            TooManyRequests: one of this user is under way, or many of others are.
            ServiceUnavailable: it took too long; what was written stays.
            NotFound, RateLimited, ExchangeError: see `History.candles`.
        """
        user_id = author.user.user_id
        if user_id in self._under_way:
            raise TooManyRequests("a backfill of yours is under way: one at a time", retry_after_s=5)
        if len(self._under_way) >= MOST_AT_ONCE:
            raise TooManyRequests(f"{MOST_AT_ONCE} backfills are under way: try again soon", retry_after_s=10)
        self._history = history = self._history or self._open_history()
        self._under_way.add(user_id)
        try:
            async with asyncio.timeout(STEP_TIMEOUT_S):
                await _describe(candles, writes, author, history, request)
                sink = _MissingMinutes(candles, writes, author, request)
                return await backfill_step(
                    history, sink, request.market, request.symbol, to_ms(request.start), to_ms(request.end)
                )
        except TimeoutError as exc:
            why = f" ({failure})" if (failure := history.failure_of(request.market)) else ""
            raise ServiceUnavailable(
                f"the step took over {STEP_TIMEOUT_S:g} s{why}: what was written stays, and the same request "
                "goes on"
            ) from exc
        finally:
            self._under_way.discard(user_id)


async def _describe(
    candles: CandleStoreClient, writes: SharedWrites, author: Caller, history: History, request: BackfillRequest
) -> None:
    """Load the market's instruments where this one is not described yet.

    Raises:
        NotFound: the exchange does not list it.
    """
    if await candles.described(request.market_id, request.symbol):
        return
    listed = await history.instruments(request.market)
    symbols = [reference.symbol for reference in listed]
    if request.symbol not in symbols:
        name = request.market.name
        raise NotFound(f"{name} has no symbol {request.symbol!r}; {nearest(request.symbol, symbols)}")
    written = await candles.put_instruments(listed)
    await writes.record_instruments(author, listed, written, _source(request))


class _MissingMinutes:
    """A `CandleSink` over the instance's store that changes no stored minute; called from threads."""

    def __init__(
        self, candles: CandleStoreClient, writes: SharedWrites, author: Caller, request: BackfillRequest
    ) -> None:
        self._candles, self._writes, self._author, self._request = candles, writes, author, request
        self._loop = asyncio.get_running_loop()
        self._missing: list[tuple[int, int]] = []

    def missing(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> list[tuple[int, int]]:
        if start_ms >= end_ms:
            return []
        runs = self._wait(self._candles.missing(market_id, symbol, start_ms, end_ms))
        self._missing = [(to_ms(run.start), to_ms(run.end)) for run in runs]
        return self._missing

    def put(self, market_id: int, symbol: str, rows: CandleRows) -> InsertReport:
        """Holes near each other are fetched together; of the minutes between them the stored ones stay."""
        wanted = np.zeros(len(rows), bool)
        for start_ms, end_ms in self._missing:
            wanted |= (rows.ts_open_ms >= start_ms) & (rows.ts_open_ms < end_ms)
        return self._wait(self._insert(rows.take(np.flatnonzero(wanted)))) if wanted.any() else InsertReport()

    async def _insert(self, rows: CandleRows) -> InsertReport:
        place, total = Instrument(market_id=self._request.market_id, symbol=self._request.symbol), InsertReport()
        for part in within_months(rows):
            report = await self._candles.insert(place.market_id, place.symbol, part, "rest")
            await self._writes.record_candles(self._author, place, part, report, _source(self._request))
            total += report
        return total

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _source(request: BackfillRequest) -> str:
    return f"backfill from {request.market.exchange}"
