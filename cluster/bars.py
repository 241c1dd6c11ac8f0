"""The bars of a search, read from the store of candles."""

from __future__ import annotations

import asyncio

from candleray.backtests.request import BacktestRequest
from candleray.candles import Candles
from candleray.market_data.bars import CandleReader
from candleray.search import engine
from candleray.search.variants import VariantGrid
from candleray.timeframes import MINUTE_MS, minutes_of


def most_bars(request: BacktestRequest, stored: tuple[int, int]) -> int:
    """The bars there can be at most, known before anything is read."""
    start_ms = max(request.time_range.start_ms, stored[0])
    end_ms = min(request.time_range.end_ms, stored[1])
    return max(0, end_ms - start_ms) // (minutes_of(request.timeframe) * MINUTE_MS)


async def read_bars(store: CandleReader, grid: VariantGrid, default_warmup: int) -> engine.Bars:
    """The bars of a resolved request, with the longest warm-up of its planes before them.

    Raises:
        NotFound: unknown symbol, or no bar lies in the range.
    """
    request = grid.request
    warmup = engine.warmup_bars(grid, default_warmup)
    first_ms, _ = await store.span(request.instrument.market_id, request.instrument.symbol)
    minutes = await _read_minutes(store, request, warmup, first_ms)
    return await asyncio.to_thread(engine.bars_of, minutes, request, warmup)


async def _read_minutes(store: CandleReader, request: BacktestRequest, warmup: int, first_ms: int) -> Candles:
    """The range's minutes and enough before it for `warmup` bars, or all there are.

    Holes thin out the bars, so the stretch before the range doubles until it holds enough of them.
    """
    bar_ms = minutes_of(request.timeframe) * MINUTE_MS
    span, instrument = request.time_range, request.instrument
    # One bar more: the range may start inside a bar, whose minutes then warm nothing up.
    reach_ms = (warmup + 1) * bar_ms
    while True:
        from_ms = max(first_ms, (span.start_ms - reach_ms) // bar_ms * bar_ms)
        minutes = await store.read(instrument.market_id, instrument.symbol, from_ms, span.end_ms)
        if from_ms <= first_ms or engine.bars_before(minutes, request) >= warmup:
            return minutes
        reach_ms *= 2
