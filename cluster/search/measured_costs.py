"""The costs of a search: roughly, at once, or measured on a sample of it by the workers that will run it."""

from __future__ import annotations

from typing import Any

import ray

from candleray.search.bars import Bars
from candleray.search.costs import Costs, SignalCosts, StopCosts
from candleray.search.variants import BARS_PER_WORD, VariantGrid
from cluster.search import tasks
from cluster.search.tasks import cancel, submit

VARIANT_S_PER_WORD = 3.4e-9
"""Seconds of one variant for each 64 bars: measured 27 µs for a year of minutes, 8,213 words."""

GATHER_S_PER_WORD = 1e-7
"""Seconds to find where the stops end a base variant's entries: measured 0.8 ms for a year of minutes."""

COMBINATION_S_PER_WORD = 2e-9
"""Seconds of a combination of stop levels on top: measured 16 µs for a year of minutes."""

REPORT_S = 0.005
"""Seconds of one report on a year of minutes, at most."""


SCORE_S_PER_WORD = 1.5e-8
"""Seconds of a variant's score by another metric than the total return: measured 0.12 ms for a year of minutes."""


def rough_costs(grid: VariantGrid, bars: int) -> Costs:
    """Guess well enough to cut a search that somebody waits for: measuring would take longer than it gains."""
    words = -(-bars // BARS_PER_WORD)
    score_s = 0.0 if grid.request.rank_by is None else words * SCORE_S_PER_WORD
    return Costs(
        SignalCosts(plane_s=0.0, variant_s=words * VARIANT_S_PER_WORD + score_s, report_s=REPORT_S),
        StopCosts(base_s=words * GATHER_S_PER_WORD, combination_s=words * COMBINATION_S_PER_WORD + score_s),
    )


class Measuring:
    """Costs being measured on a sample of this very search, on two workers at once."""

    def __init__(self, bars_ref: Any, grid: VariantGrid, default_warmup: int) -> None:
        self._signals, self._stops = (
            submit("calibration", measure, bars_ref, grid.request, default_warmup)
            for measure in (tasks.measure_signals, tasks.measure_stops)
        )

    async def signals(self) -> SignalCosts:
        """Wait for the signals' costs, which are known first: those of the stops take twice as long."""
        costs: SignalCosts = await self._signals
        return costs

    async def all(self) -> Costs:
        return Costs(await self._signals, await self._stops)

    def cancel(self) -> None:
        cancel([self._signals, self._stops])


async def measured_costs(bars: Bars, grid: VariantGrid, default_warmup: int) -> Costs:
    """Measure on the cluster that this process belongs to."""
    measuring = Measuring(ray.put(bars), grid, default_warmup)
    try:
        return await measuring.all()
    except BaseException:
        measuring.cancel()
        raise
