"""Explanations on Ray: candles are read here, and looked at by one task."""

from __future__ import annotations

import ray

from candleray.backtests.explanation import Explanation
from candleray.backtests.request import BacktestRequest
from candleray.market_data.bar_reader import CandleReader
from candleray.search.bars import Bars
from candleray.search.explaining import explained
from candleray.settings import BacktestSettings, Settings
from cluster.search import tasks
from cluster.search.tasks import all_finished, submit


async def explain(
    request: BacktestRequest, variant_index: int, store: CandleReader, settings: Settings
) -> Explanation:
    """Explain a request as `explained` does, on the cluster that this process belongs to."""

    async def look(
        bars: Bars, whole: BacktestRequest, one: BacktestRequest, variant_index: int, defaults: BacktestSettings
    ) -> Explanation:
        ref = submit("explain", tasks.explain, ray.put(bars), whole, one, variant_index, defaults)
        (found,) = await all_finished([ref], lambda done, total: None)
        explanation: Explanation = found
        return explanation

    return await explained(request, variant_index, store, settings, look)
