"""The workers of a search in this process: each step on a thread, one after the other."""

from __future__ import annotations

import asyncio

from candleray.backtests.metrics import MetricValue
from candleray.backtests.phase import Phase
from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import RankedVariant
from candleray.search import engine
from candleray.search.bars import Bars
from candleray.search.costs import Costs, measure_signals, measure_stops
from candleray.search.nulls.bests_of_histories import ranking_of
from candleray.search.nulls.histories import history
from candleray.search.phases import Bases, Stopwatch, Tell, search
from candleray.search.rankings import Ranking
from candleray.search.reports import report_variants
from candleray.search.signals.constant_conditions import constant_conditions
from candleray.search.stop_tables import Tables
from candleray.search.sweep import Sweep
from candleray.search.variants import VariantGrid
from candleray.settings import BacktestSettings


class InProcess:
    """The engine's steps, whole: what is left of a sweep is ranked gap by gap."""

    def __init__(self, grid: VariantGrid, bars: Bars, default_warmup: int) -> None:
        self._grid = grid
        self._bars = bars
        self._default_warmup = default_warmup
        self._planes: engine.Planes
        self._tables: Tables | None = None

    async def planes(self, tell: Tell) -> None:
        chunk = await asyncio.to_thread(
            engine.planes_of, self._bars, self._grid, 0, self._grid.planes, self._default_warmup
        )
        self._planes = engine.Planes.over([chunk])
        tell(1, 1)

    async def rank(self, sweep: Sweep, tell: Tell) -> None:
        for first, last in sweep.left([]):
            ranking = await asyncio.to_thread(
                engine.rank_variants, self._bars, self._grid, self._planes, first, last
            )
            sweep.add(first, last, ranking)
        tell(1, 1)

    async def tables(self, sweep: Sweep, bases: Bases, tell: Tell) -> None:
        self._tables = await asyncio.to_thread(engine.all_tables, self._bars, self._grid, self._planes)
        tell(1, 1)

    async def rank_under_stops(self, sweep: Sweep, bases: Bases, tell: Tell) -> None:
        assert self._tables is not None
        for first, last in sweep.left([]):
            ranking = await asyncio.to_thread(
                engine.rank_under_stops, self._bars, self._grid, self._planes, self._tables, bases, first, last
            )
            sweep.add(first, last, ranking)
        tell(1, 1)

    async def report(self, ranking: Ranking, tell: Tell) -> list[RankedVariant]:
        reports = await asyncio.to_thread(
            report_variants, self._bars, self._grid, self._planes, ranking, 1, self._tables
        )
        tell(1, 1)
        return reports

    async def histories(self, sweep: Sweep, tell: Tell) -> None:
        for first, last in sweep.left([]):
            ranking = await asyncio.to_thread(
                rank_histories, self._bars, self._grid.request, self._default_warmup, first, last
            )
            sweep.add(first, last, ranking)
        tell(1, 1)

    async def constant_conditions(self) -> tuple[str, ...]:
        return await asyncio.to_thread(constant_conditions, self._grid, self._planes, self._bars.count)


def best_of(bars: Bars, request: BacktestRequest, default_warmup: int) -> MetricValue:
    """Return the metric of the variant that ranks first, by the course of every search; None where none ranks.

    Call it on a thread or in a process of its own: the course needs a loop.
    """
    alone = {"top_k": 1, "trades_for": 0, "verdict": False, "luck": None}
    grid = VariantGrid(request.model_copy(update=alone))
    workers, defaults = InProcess(grid, bars, default_warmup), BacktestSettings(warmup_bars=default_warmup)
    top = asyncio.run(search(grid, bars, workers, Stopwatch(Phase.CANDLES), defaults)).top
    return top[0].metrics[grid.ranked_by.name] if top else None


def rank_histories(bars: Bars, request: BacktestRequest, default_warmup: int, first: int, last: int) -> Ranking:
    """Rank the histories of chance `[first, last)` of a request by their best."""
    luck = request.luck
    assert luck is not None
    numbers = range(first, last)
    made = (history(bars, luck.model, luck.seed, number) for number in numbers)
    return ranking_of(numbers, [best_of(one, request, default_warmup) for one in made])


async def measured_costs(bars: Bars, grid: VariantGrid, default_warmup: int) -> Costs:
    """Measure what the search costs, on a sample of it."""
    signals = await asyncio.to_thread(measure_signals, bars, grid, default_warmup)
    stops = await asyncio.to_thread(measure_stops, bars, grid, default_warmup)
    return Costs(signals, stops)
