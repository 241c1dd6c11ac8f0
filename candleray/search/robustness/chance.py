"""The checks that are drawn at random: trades left out, and candles with noise."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from candleray.backtests.request import BacktestRequest
from candleray.backtests.robustness import (
    SHOWN_PERCENTILES,
    TOLD_PERCENTILES,
    Case,
    Check,
    Draws,
    Figures,
    RobustnessQuery,
)
from candleray.candles import FloatArray
from candleray.search.bars import Bars
from candleray.search.ranges import ranges
from candleray.search.robustness.draws import Drawn, chosen, in_order, percentile
from candleray.search.robustness.noisy_candles import figures_under_noise
from candleray.search.robustness.skipped_trades import without_some
from candleray.settings import BacktestSettings
from candleray.work_elsewhere import Compute

TRADES_A_RUN = 100_000
"""Trades of draws that take about as long as one run: 0.1 µs each, and a run over a year of hours some 10 ms."""


@dataclass(frozen=True)
class Chance:
    """The draws of one strategy."""

    strategy: BacktestRequest
    query: RobustnessQuery
    defaults: BacktestSettings
    compute: Compute
    parts: int
    """Parts of the draws of noise that are run at once."""

    def runs(self, base: Figures) -> float:
        """Return how many times as long as the strategy all draws take."""
        skipped = self.query.draws * base.trades / TRADES_A_RUN if Check.SKIPPED in self.query.checks else 0.0
        return skipped + (self.query.noise_draws if Check.NOISE in self.query.checks else 0)

    async def cases(self, bars: Bars, base: Figures, notes: list[str]) -> tuple[list[Case], list[Draws]]:
        """Return two cases for each check that is drawn, and all of its draws in numbers."""
        cases: list[Case] = []
        told: list[Draws] = []
        for check in self.query.checks:
            if check is Check.SKIPPED and not base.trades:
                notes.append(f"{check}: the strategy has no trades to leave out")
            elif (reason := self._not_drawn(check, bars)) is not None:
                notes.append(f"{check}: {reason}")
            elif check in (Check.SKIPPED, Check.NOISE):
                drawn = await (self._skipped(bars) if check is Check.SKIPPED else self._noise(bars))
                cases += self._shown(check, drawn)
                told.append(_told(check, drawn.returns_pct))
        return cases, told

    def _not_drawn(self, check: Check, bars: Bars) -> str | None:
        if check is Check.SKIPPED and not self.strategy.fill.is_usual:
            return "it walks from close to close, and fill has orders fill elsewhere"
        if check is Check.SKIPPED and self.strategy.sizing.parts_field:
            return "it walks trades without their levels, by which sizing measures what an entry buys"
        if check is Check.NOISE and bars.inside is not None:
            return "it moves prices of bars, and fill.stops looks at the minutes inside them"
        return None

    async def _skipped(self, bars: Bars) -> Drawn:
        query = self.query
        drawn: Drawn = await self.compute(
            without_some, bars, self.strategy, self.defaults, query.skipped_pct, query.draws, query.seed
        )
        return drawn

    async def _noise(self, bars: Bars) -> Drawn:
        query = self.query
        parts = await asyncio.gather(
            *(
                self.compute(
                    figures_under_noise, bars, self.strategy, self.defaults, query.noise_pct, query.seed, *span
                )
                for span in ranges(query.noise_draws, min(self.parts, query.noise_draws))
            )
        )
        figures = [one for part in parts for one in part]
        returns = np.array([one.total_return_pct for one in figures])
        return Drawn(returns, {draw: figures[draw] for draw in chosen(returns)})

    def _shown(self, check: Check, drawn: Drawn) -> list[Case]:
        changed, words = self._words(check)
        draws = f"{drawn.returns_pct.size:,} {'draw' if drawn.returns_pct.size == 1 else 'draws'}"
        return [
            Case(
                check=check,
                name=f"{words}, {_PERCENTILES[percent]} of {draws}",
                changed={**changed, "percentile": percent},
                figures=drawn.figures[draw],
            )
            for percent, draw in zip(SHOWN_PERCENTILES, chosen(drawn.returns_pct), strict=True)
        ]

    def _words(self, check: Check) -> tuple[Mapping[str, float], str]:
        if check is Check.SKIPPED:
            share = self.query.skipped_pct
            return {"skipped_pct": share}, f"{share:g} % of trades left out"
        share = self.query.noise_pct
        return {"noise_pct": share}, f"prices moved by up to {share:g} % of a bar's height"


_PERCENTILES = {5: "5th percentile", 50: "median"}


def _told(check: Check, returns_pct: FloatArray) -> Draws:
    ordered = in_order(returns_pct)
    return Draws(
        check=check,
        draws=returns_pct.size,
        losing=int(np.count_nonzero(returns_pct < 0)),
        total_return_pct={
            str(percent): float(returns_pct[percentile(ordered, percent)]) for percent in TOLD_PERCENTILES
        },
    )
