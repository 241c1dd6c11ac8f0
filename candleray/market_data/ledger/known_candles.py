"""Candles as they were known at a moment, for whoever reads bars."""

from __future__ import annotations

from dataclasses import dataclass

from candleray.candles import Candles, IntArray
from candleray.market_data.candle_store_client import CandleStoreClient
from candleray.market_data.coverage import missing_ranges


@dataclass(frozen=True)
class KnownCandles:
    """A `CandleReader` of `candleray.market_data.bar_reader`."""

    store: CandleStoreClient
    as_of_ms: int

    async def read(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> Candles:
        return await self.store.read_as_of(market_id, symbol, start_ms, end_ms, self.as_of_ms)

    async def span(self, market_id: int, symbol: str) -> tuple[int, int]:
        return await self.store.span_as_of(market_id, symbol, self.as_of_ms)

    async def missing_ranges(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> IntArray:
        known = await self.read(market_id, symbol, start_ms, end_ms)
        return missing_ranges(known.ts_open_ms, start_ms, end_ms)
