"""The bars of a search, read from the store of candles."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import numpy as np

from candleray.backtests.request import BacktestRequest
from candleray.candles import Candles, FloatArray, IntArray
from candleray.hashes import candles_hash
from candleray.market_data.bar_reader import BarReader, CandleReader, Window
from candleray.market_data.range_coverage import RangeCoverage
from candleray.search.variants import VariantGrid
from candleray.settings import BacktestSettings
from candleray.timeframes import MINUTE_MS, minutes_of


@dataclass(frozen=True)
class Bars:
    """The bars of a request: warm-up before `start`, then the range that trades and counts."""

    candles: Candles
    start: int
    bar_ms: int
    hash: str
    """The name of the bars, the warm-up among them."""
    coverage: RangeCoverage

    @property
    def stop(self) -> int:
        return len(self.candles)

    @property
    def count(self) -> int:
        return self.stop - self.start

    def head(self, count: int) -> Bars:
        """Return the first bars alone, all of which trade."""
        ts_open_ms, values = self.candles.ts_open_ms[:count], self.candles.values[:, :count]
        return replace(self, candles=Candles(ts_open_ms.copy(), np.ascontiguousarray(values)), start=0)

    @property
    def close(self) -> FloatArray:
        return self.candles.column("close")[self.start :]

    @property
    def ts_open_ms(self) -> IntArray:
        return self.candles.ts_open_ms[self.start :]


def warmup_bars(grid: VariantGrid, default: int) -> int:
    """Return the longest warm-up of any plane: so much history is read."""
    longest = max(grid.plane(index).lookback_bars for index in range(grid.planes))
    return max(default, longest)


def most_bars(request: BacktestRequest, stored: tuple[int, int]) -> int:
    """Return the bars there can be at most, known before anything is read."""
    start_ms = max(request.time_range.start_ms, stored[0])
    end_ms = min(request.time_range.end_ms, stored[1])
    return max(0, end_ms - start_ms) // (minutes_of(request.timeframe) * MINUTE_MS)


async def coverage_of(store: CandleReader, request: BacktestRequest, defaults: BacktestSettings) -> RangeCoverage:
    """Return the coverage of a request's range, without reading its candles.

    Raises:
        NotFound: unknown symbol.
        GapsInRange: a long hole that the request does not allow.
    """
    reader = BarReader(store, request.instrument, request.timeframe)
    coverage = await reader.coverage(request.time_range.start_ms, request.time_range.end_ms)
    _refuse_gaps(request, coverage, defaults)
    return coverage


async def read_bars(store: CandleReader, grid: VariantGrid, defaults: BacktestSettings) -> Bars:
    """Read the bars of a resolved request, with the longest warm-up of its planes before them.

    Raises:
        NotFound: unknown symbol, or no bar lies in the range.
        GapsInRange: a long hole that the request does not allow.
    """
    request, span = grid.request, grid.request.time_range
    reader = BarReader(store, request.instrument, request.timeframe)
    window = await reader.within(span.start_ms, span.end_ms, warmup_bars(grid, defaults.warmup_bars))
    _refuse_gaps(request, window.coverage, defaults)
    return await asyncio.to_thread(_named, window, reader.bar_ms)


def _refuse_gaps(request: BacktestRequest, coverage: RangeCoverage, defaults: BacktestSettings) -> None:
    if not request.allow_gaps:
        coverage.require_no_gap(request.instrument, defaults.max_gap_hours)


def _named(window: Window, bar_ms: int) -> Bars:
    candles = Candles(np.ascontiguousarray(window.bars.ts_open_ms), np.ascontiguousarray(window.bars.values))
    return Bars(candles, window.start, bar_ms, candles_hash(candles), window.coverage)
