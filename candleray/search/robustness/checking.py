"""The course of a robustness check: plan the cases, ask the guards, read the bars, run every case, say the worst.

A case is run as the report of one variant is, over bars that are read as for a backtest. Cases over the same range
share their bars.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from candleray.backtests.preflight import Guard
from candleray.backtests.request import BacktestRequest
from candleray.backtests.robustness import (
    Case,
    Draws,
    Figures,
    Robustness,
    RobustnessQuery,
    summary_of,
    worst_of,
)
from candleray.backtests.sentences import sentences
from candleray.errors import NotFound
from candleray.market_data.bar_reader import CandleReader
from candleray.search.bars import Bars, read_bars
from candleray.search.estimate import refuse_exceeded, require_sync_guards
from candleray.search.one_variant import OneVariant, one_variant
from candleray.search.reports import notes_of, notes_on_gaps
from candleray.search.robustness.chance import Chance
from candleray.search.robustness.figures import figures_over, timed_figures
from candleray.search.robustness.plans import Plan, Planner
from candleray.search.variants import VariantGrid
from candleray.settings import Settings
from candleray.work_elsewhere import Compute

PARTS = 4
"""Parts of the cases that are run at once, where there are cores for them."""


async def checked(
    request: BacktestRequest, query: RobustnessQuery, store: CandleReader, settings: Settings, compute: Compute
) -> Robustness:
    """Check one variant of a request.

    Raises:
        InvalidInput: the request has no variant of that number.
        GuardExceeded: the range is too long for one synchronous answer, or the cases would take too long.
        NotFound: unknown symbol, or no candles there.
        GapsInRange: a long hole that the request does not allow.
    """
    variant = one_variant(request, query.variant_index, settings)
    planner = Planner(variant.alone, settings.backtests)
    plans = planner.plans(query.checks)
    course = _Course(variant.alone, store, settings, compute)
    bars = await course.bars_for([variant.alone, *(plan.request for plan in plans)])
    base, seconds = await compute(timed_figures, bars, variant.alone, settings.backtests)
    chance = Chance(variant.alone, query, settings.backtests, compute, PARTS)
    course.require_time(plans, seconds, chance.runs(base))
    cases = await course.run(plans, bars, planner.notes)
    drawn, draws = await chance.cases(bars, base, planner.notes)
    return _answer(variant, query, bars, base, [*cases, *drawn], draws, planner.notes, settings)


def _answer(
    variant: OneVariant,
    query: RobustnessQuery,
    bars: Bars,
    base: Figures,
    cases: Sequence[Case],
    draws: Sequence[Draws],
    notes: Sequence[str],
    settings: Settings,
) -> Robustness:
    request, defaults = variant.alone, settings.backtests
    return Robustness(
        request=request,
        variant_index=variant.variant_index,
        sentences=sentences(request),
        base=base,
        cases=tuple(cases),
        draws=tuple(draws),
        seed=query.seed,
        worst=worst_of(cases),
        summary=summary_of(base, cases, draws),
        notes=(
            *bars.coverage.notes,
            *notes_on_gaps(bars, request, defaults, None),
            *notes_of(VariantGrid(request), bars.start, bars.stop, defaults.warmup_bars),
            *notes,
        ),
    )


class _Course:
    """The cases of one strategy, by the ranges that they go over."""

    def __init__(
        self, strategy: BacktestRequest, store: CandleReader, settings: Settings, compute: Compute
    ) -> None:
        self._strategy = strategy
        self._store = store
        self._settings = settings
        self._compute = compute

    async def bars_for(self, requests: Sequence[BacktestRequest]) -> Bars:
        """Read the bars of the strategy's range, with the longest warm-up that any request over it needs."""
        grids = [VariantGrid(one) for one in requests if one.time_range == self._strategy.time_range]
        # Where other candles are read, each case has bars of its own.
        longest = grids[0] if grids[0].numbering.sources else max(grids, key=_lookback)
        await require_sync_guards(longest, self._store, self._settings)
        return await read_bars(self._store, longest, self._settings.backtests)

    def require_time(self, plans: Sequence[Plan], seconds: float, drawn: float) -> None:
        """Refuse cases that take longer than an answer may.

        Args:
            seconds: what the strategy takes over its whole range.
            drawn: how many times as long all draws take.

        Raises:
            GuardExceeded: with the seconds, and the limit.
        """
        whole = self._length(self._strategy)
        shares = drawn + sum(self._length(plan.request) / whole for plan in plans)
        limit = self._settings.api.backtest_timeout_s
        guard = Guard(name="seconds", number=round(shares * seconds, 3), limit=limit)
        refuse_exceeded([guard], "one synchronous answer; `check` names fewer checks")

    async def run(self, plans: Sequence[Plan], bars: Bars, notes: list[str]) -> list[Case]:
        """Run every case; of a range without candles none is made, and a note says so."""
        shared = [plan for plan in plans if self._shares_bars(plan)]
        found = dict(zip(map(id, shared), await self._over(bars, shared), strict=True))
        for plan in plans:
            if id(plan) not in found and (figures := await self._alone(plan, notes)) is not None:
                found[id(plan)] = figures
        return [
            Case(check=plan.check, name=plan.name, changed=dict(plan.changed), figures=found[id(plan)])
            for plan in plans
            if id(plan) in found
        ]

    def _shares_bars(self, plan: Plan) -> bool:
        """Tell if a case reads the bars of the strategy: the same range, and no other candles."""
        same = plan.request.time_range == self._strategy.time_range
        return same and not VariantGrid(plan.request).numbering.sources

    async def _over(self, bars: Bars, plans: Sequence[Plan]) -> list[Figures]:
        """Run cases over the same bars, in some parts at once."""
        size = max(1, -(-len(plans) // PARTS))
        parts = [plans[at : at + size] for at in range(0, len(plans), size)]
        found = await asyncio.gather(*(self._figures(bars, part) for part in parts))
        return [one for figures in found for one in figures]

    async def _alone(self, plan: Plan, notes: list[str]) -> Figures | None:
        """Run a case over bars of its own."""
        try:
            bars = await read_bars(self._store, VariantGrid(plan.request), self._settings.backtests)
        except NotFound:
            notes.append(f"{plan.check}: {plan.name} has no candles")
            return None
        (figures,) = await self._figures(bars, [plan])
        return figures

    async def _figures(self, bars: Bars, plans: Sequence[Plan]) -> list[Figures]:
        requests = [plan.request for plan in plans]
        found: list[Figures] = await self._compute(figures_over, bars, requests, self._settings.backtests)
        return found

    @staticmethod
    def _length(request: BacktestRequest) -> int:
        return request.time_range.end_ms - request.time_range.start_ms


def _lookback(grid: VariantGrid) -> int:
    return max(grid.numbering.lookback_bars, grid.request.history_bars)
