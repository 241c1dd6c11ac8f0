"""The course of a search: planes, Stage A, tables of stops, Stage B, reports.

It is written once. A synchronous backtest, a job and a backtest within one process differ in the workers that
carry the steps out, and in who watches.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from candleray.backtests.phase import Phase
from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult, Elapsed, RankedVariant
from candleray.candles import IntArray
from candleray.market_data.bar_reader import CandleReader
from candleray.search.bars import Bars, read_bars
from candleray.search.engine import stage_a_keeps
from candleray.search.estimate import require_sync_guards
from candleray.search.judged.plateau import with_plateau
from candleray.search.judged.verdicts import judged_phase, with_verdict
from candleray.search.judged.walk_forward import with_walk_forward
from candleray.search.nulls.bests_of_histories import bests_of, held_against
from candleray.search.rankings import Ranking
from candleray.search.reports import result_of
from candleray.search.stop_tables import shortlisted
from candleray.search.sweep import Sweep
from candleray.search.variants import VariantGrid, resolve
from candleray.settings import BacktestSettings, Settings

Tell = Callable[[int, int], None]
"""Hears how many parts of a phase are done, and how many there are."""

Bases = IntArray | range
"""Base variants by their numbers, ascending."""


class Workers(Protocol):
    """The steps of one search over its bars, wherever they are carried out.

    Each step returns when all of it is done. One that fails or is cancelled leaves nothing running.
    """

    async def planes(self, tell: Tell) -> None:
        """Make the planes of all indicator variants."""
        ...

    async def rank(self, sweep: Sweep, tell: Tell) -> None:
        """Rank what is left of the base variants, without stops."""
        ...

    async def tables(self, sweep: Sweep, bases: Bases, tell: Tell) -> None:
        """Make the tables of first passages that `rank_under_stops` needs for the same arguments."""
        ...

    async def rank_under_stops(self, sweep: Sweep, bases: Bases, tell: Tell) -> None:
        """Rank what is left of these base variants under every combination of stop levels."""
        ...

    async def report(self, ranking: Ranking, tell: Tell) -> list[RankedVariant]:
        """Report the variants of a ranking in full, in its order."""
        ...

    async def histories(self, sweep: Sweep, tell: Tell) -> None:
        """Search what is left of the histories of chance; each is ranked by its best."""
        ...

    async def constant_conditions(self) -> tuple[str, ...]:
        """Say, after the reports, which conditions are the same on every bar in all variants."""
        ...


class Watch(Protocol):
    """The one who hears how a search goes."""

    def begin(self, phase: Phase) -> None:
        """Hear that this phase begins, and with it that the one before it has ended."""
        ...

    def take_up(self, sweep: Sweep) -> Sweep:
        """Return this sweep, or the same one as far as former attempts have brought it."""
        ...

    def tell(self, done: int, total: int) -> None:
        """Hear how many parts of the phase are done."""
        ...

    def elapsed(self) -> Elapsed:
        """Return the seconds of each phase."""
        ...


async def search(
    grid: VariantGrid, bars: Bars, workers: Workers, watch: Watch, defaults: BacktestSettings
) -> BacktestResult:
    """Search every variant of a resolved request over its bars."""
    watch.begin(Phase.PLANES)
    await workers.planes(watch.tell)
    ranking, judged, shortlist = Ranking.empty(), Ranking.empty(), None
    if grid.needs_stage_a:
        sweep = watch.take_up(stage_a(grid))
        watch.begin(Phase.STAGE_A)
        await workers.rank(sweep, watch.tell)
        ranking = judged = sweep.ranking
    if grid.has_stage_b:
        bases, shortlist = shortlisted(grid, ranking)
        sweep = watch.take_up(stage_b(grid))
        watch.begin(Phase.TABLES)
        await workers.tables(sweep, bases, watch.tell)
        watch.begin(Phase.STAGE_B)
        await workers.rank_under_stops(sweep, bases, watch.tell)
        ranking = sweep.ranking
        judged = ranking if judged_phase(grid) is Phase.STAGE_B else judged
    watch.begin(Phase.REPORTS)
    top = await workers.report(ranking, watch.tell)
    notes = await workers.constant_conditions()
    verdict, top = await asyncio.to_thread(with_verdict, bars, grid, judged, top)
    for more in (with_walk_forward, with_plateau):
        verdict = await asyncio.to_thread(more, bars, grid, judged, verdict, defaults)
    luck = None
    if (asked := grid.request.luck) is not None:
        sweep = watch.take_up(Sweep(Phase.LUCK, asked.walks, asked.walks))
        watch.begin(Phase.LUCK)
        await workers.histories(sweep, watch.tell)
        luck = held_against(asked, grid.request, top, bests_of(sweep.ranking))
    watch.begin(Phase.DONE)
    result = result_of(bars, grid, defaults, watch.elapsed(), top, shortlist, ranking.pruned, notes, verdict)
    return result.model_copy(update={"luck": luck})


def stage_a(grid: VariantGrid) -> Sweep:
    """Return the sweep over all base variants, without stops."""
    return Sweep(Phase.STAGE_A, grid.radix.size, stage_a_keeps(grid))


def stage_b(grid: VariantGrid) -> Sweep:
    """Return the sweep over the shortlist under every combination of stop levels.

    The combinations of one base variant follow one another.
    """
    return Sweep(Phase.STAGE_B, grid.evaluated, grid.request.top_k or 1)


async def backtest(
    request: BacktestRequest,
    store: CandleReader,
    settings: Settings,
    workers_over: Callable[[VariantGrid, Bars], Workers],
    prepare: Callable[[VariantGrid, Bars, Watch], Awaitable[None]] | None = None,
) -> BacktestResult:
    """Answer a request at once: resolve it, ask the guards, read its bars, search.

    Args:
        prepare: a step before the workers begin.

    Raises:
        GuardExceeded: the request is too large for one synchronous answer.
        NotFound: unknown symbol, or no candles there.
        GapsInRange: a long hole that the request does not allow.
    """
    stopwatch = Stopwatch(Phase.CANDLES)
    grid = VariantGrid(resolve(request, settings.backtests))
    await require_sync_guards(grid, store, settings)
    bars = await read_bars(store, grid, settings.backtests)
    if prepare:
        await prepare(grid, bars, stopwatch)
    return await search(grid, bars, workers_over(grid, bars), stopwatch, settings.backtests)


class Stopwatch:
    """Seconds by phase, added to those of former attempts; and the watch of a search that nobody watches."""

    def __init__(self, phase: Phase, before_s: Mapping[Phase, float] | None = None) -> None:
        self.phase = phase
        self._by_phase = dict(before_s or {})
        self._began = time.perf_counter()

    def begin(self, phase: Phase) -> None:
        self._by_phase = self.by_phase()
        self.phase, self._began = phase, time.perf_counter()

    def take_up(self, sweep: Sweep) -> Sweep:
        return sweep

    def tell(self, done: int, total: int) -> None:
        pass

    def by_phase(self) -> dict[Phase, float]:
        """Return the seconds of all phases that have begun, up to now."""
        spent_s = time.perf_counter() - self._began
        return {**self._by_phase, self.phase: round(self._by_phase.get(self.phase, 0.0) + spent_s, 4)}

    def elapsed(self) -> Elapsed:
        return Elapsed.of(self.by_phase())
