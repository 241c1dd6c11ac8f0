"""A request weighed on this cluster: sized exactly, timed on a sample by its workers."""

from __future__ import annotations

import ray

from candleray.backtests.preflight import Pace, Preflight
from candleray.backtests.request import BacktestRequest
from candleray.market_data.bar_reader import CandleReader
from candleray.search import estimate
from candleray.settings import Settings
from cluster.search.measured_costs import measured_costs


async def weigh(request: BacktestRequest, store: CandleReader, settings: Settings, pace: Pace) -> Preflight:
    """Weigh a request as `estimate.weigh` does, on all cores of this cluster.

    Raises:
        NotFound: unknown symbol, or no candles there.
        GapsInRange: a long hole that the request does not allow.
    """
    cpus = int(ray.cluster_resources().get("CPU", 1))
    return await estimate.weigh(request, store, settings, pace, cpus, measured_costs)
