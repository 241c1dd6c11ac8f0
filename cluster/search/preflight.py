"""A request weighed on this cluster: sized exactly, timed on a sample."""

from __future__ import annotations

import time

import ray

from candleray.backtests.preflight import Pace, Preflight, SizedRequest
from candleray.backtests.request import BacktestRequest
from candleray.guards import refuse_exceeded
from candleray.market_data.bars import CandleReader
from candleray.search.estimate import describe, guards_for
from candleray.search.variants import VariantGrid, resolve, sized_request
from candleray.settings import Settings
from cluster.bars import most_bars, read_bars
from cluster.search.measured_costs import measured_costs


async def weigh(request: BacktestRequest, store: CandleReader, settings: Settings, pace: Pace) -> Preflight:
    """
    Raises:
        NotFound: unknown symbol, or no candles there.
    """
    grid, bars = await sized(request, store, settings)
    if any(guard.is_exceeded for guard in guards_for(grid, bars, settings)[1]):
        return describe(grid, bars, settings, None, 1, 0.0, pace)
    began = time.perf_counter()
    warmup = settings.backtests.warmup_bars
    read = await read_bars(store, grid, warmup)
    candles_s = time.perf_counter() - began
    costs = await measured_costs(ray.put(read), grid, warmup)
    cpus = int(ray.cluster_resources().get("CPU", 1))
    return describe(grid, bars, settings, costs, cpus, candles_s, pace)


async def require_job_guards(request: BacktestRequest, store: CandleReader, settings: Settings) -> SizedRequest:
    """The resolved request of a job with its hashes and sizes.

    Raises:
        GuardExceeded: no job may ask for that.
        NotFound: unknown symbol.
    """
    grid, bars = await sized(request, store, settings)
    refuse_exceeded(guards_for(grid, bars, settings)[1], "any job")
    return sized_request(grid, settings.backtests.warmup_bars)


async def sized(request: BacktestRequest, store: CandleReader, settings: Settings) -> tuple[VariantGrid, int]:
    """The grid of the resolved request, and the bars it has at most."""
    grid = VariantGrid(resolve(request, settings.backtests))
    instrument = grid.request.instrument
    stored = await store.span(instrument.market_id, instrument.symbol)
    return grid, most_bars(grid.request, stored)
