"""Searches over candles in memory: the product's own course, on the workers of this process."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from candleray.backtests.phase import Phase
from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult
from candleray.candles import Candles, IntArray
from candleray.market_data.coverage import missing_ranges
from candleray.search.bars import Bars, read_bars
from candleray.search.in_process import InProcess
from candleray.search.phases import Stopwatch, search
from candleray.search.variants import VariantGrid
from candleray.settings import BacktestSettings
from candleray.timeframes import MINUTE_MS

T = TypeVar("T")


@dataclass(frozen=True)
class MinutesInMemory:
    """A store of candles that holds one instrument, whichever is asked for."""

    candles: Candles

    async def read(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> Candles:
        return self.candles.between(start_ms, end_ms)

    async def span(self, market_id: int, symbol: str) -> tuple[int, int]:
        stamps = self.candles.ts_open_ms
        return int(stamps[0]), int(stamps[-1]) + MINUTE_MS

    async def missing_ranges(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> IntArray:
        return missing_ranges(self.candles.ts_open_ms, start_ms, end_ms)


def bars_over(candles: Candles, request: BacktestRequest, default_warmup: int) -> Bars:
    """Return the bars that a search of this resolved request reads of these candles."""
    defaults = BacktestSettings(warmup_bars=default_warmup)
    return _in_a_loop_of_its_own(read_bars(MinutesInMemory(candles), VariantGrid(request), defaults))


def search_over(candles: Candles, request: BacktestRequest, default_warmup: int) -> BacktestResult:
    """Return the answer to a resolved request over these candles."""
    return _in_a_loop_of_its_own(_search(candles, VariantGrid(request), default_warmup))


async def _search(candles: Candles, grid: VariantGrid, default_warmup: int) -> BacktestResult:
    stopwatch, defaults = Stopwatch(Phase.CANDLES), BacktestSettings(warmup_bars=default_warmup)
    bars = await read_bars(MinutesInMemory(candles), grid, defaults)
    return await search(grid, bars, InProcess(grid, bars, default_warmup), stopwatch, defaults)


def _in_a_loop_of_its_own(work: Coroutine[Any, Any, T]) -> T:
    """Run it on another thread: a test that has a loop may call it, too."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
