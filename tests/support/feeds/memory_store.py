"""A store of candles in memory that can be away, and keeps every version, its minutes in the order they came."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from candleray.candles import CandleRows, Candles, IntArray
from candleray.errors import NotFound, ServiceUnavailable
from candleray.market_data.coverage import missing_ranges
from candleray.market_data.insert_report import InsertReport
from candleray.market_data.screening import screen
from candleray.markets import Instrument
from candleray.timeframes import MINUTE_MS


class MemoryStore:
    def __init__(self) -> None:
        self.is_away = False
        self.versions: defaultdict[tuple[int, str, int], list[tuple[str, tuple[float, ...]]]] = defaultdict(list)

    async def insert_many(
        self, batch: Sequence[tuple[Instrument, CandleRows]], source: str, venue_ms: Mapping[int, int]
    ) -> list[InsertReport]:
        if self.is_away:
            raise ServiceUnavailable("the candle store does not answer")
        return [self._insert(one, rows, source, venue_ms[one.market_id]) for one, rows in batch]

    def _insert(self, instrument: Instrument, given: CandleRows, source: str, now_ms: int) -> InsertReport:
        rows, refused = screen(given, now_ms)
        written = changed = 0
        for ts_ms, values in zip(rows.ts_open_ms.tolist(), rows.values.T.tolist(), strict=True):
            versions = self.versions[instrument.market_id, instrument.symbol, ts_ms]
            if not versions or versions[-1][1] != tuple(values):
                changed += bool(versions)
                versions.append((source, tuple(values)))
                written += 1
        unchanged = len(rows) - written
        return InsertReport(
            received=len(given), written=written, changed=changed, unchanged=unchanged, refused=tuple(refused)
        )

    async def missing_ranges(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> IntArray:
        return missing_ranges(self.stamps(market_id, symbol, start_ms, end_ms), start_ms, end_ms)

    async def minute_counts(self, market_id: int, start_ms: int, end_ms: int) -> dict[str, int]:
        named = {symbol for owner, symbol, _ in self.versions if owner == market_id}
        return {symbol: len(self.stamps(market_id, symbol, start_ms, end_ms)) for symbol in named}

    async def span(self, market_id: int, symbol: str) -> tuple[int, int]:
        stamps = self.stamps(market_id, symbol, 0, 2**60)
        if not len(stamps):
            raise NotFound(f"unknown symbol {symbol}")
        return int(stamps[0]), int(stamps[-1]) + MINUTE_MS

    async def read_first(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> Candles:
        stamps = self.stamps(market_id, symbol, start_ms, end_ms)
        values = [self.versions[market_id, symbol, ts_ms][0][1] for ts_ms in stamps.tolist()]
        return Candles(stamps, np.array(values, np.float64).reshape(-1, 5).T.copy())

    def stamps(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> IntArray:
        found = [
            ts_ms
            for owner, name, ts_ms in self.versions
            if (owner, name) == (market_id, symbol) and start_ms <= ts_ms < end_ms
        ]
        return np.array(sorted(found), np.int64)
