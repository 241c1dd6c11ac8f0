"""The workers of a search in this process: each step on a thread, one after the other."""

from __future__ import annotations

import asyncio

from candleray.backtests.result import RankedVariant
from candleray.search import engine
from candleray.search.bars import Bars
from candleray.search.costs import Costs, measure_signals, measure_stops
from candleray.search.phases import Bases, Tell
from candleray.search.rankings import Ranking
from candleray.search.reports import report_variants
from candleray.search.signals.constant_conditions import constant_conditions
from candleray.search.stop_tables import Tables
from candleray.search.sweep import Sweep
from candleray.search.variants import VariantGrid


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

    async def constant_conditions(self) -> tuple[str, ...]:
        return await asyncio.to_thread(constant_conditions, self._grid, self._planes, self._bars.count)


async def measured_costs(bars: Bars, grid: VariantGrid, default_warmup: int) -> Costs:
    """Measure what the search costs, on a sample of it."""
    signals = await asyncio.to_thread(measure_signals, bars, grid, default_warmup)
    stops = await asyncio.to_thread(measure_stops, bars, grid, default_warmup)
    return Costs(signals, stops)
