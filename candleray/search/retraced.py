"""Variants of a search retraced: every trade again, and the metrics that follow from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from candleray.backtests.facts import Performance
from candleray.backtests.rank_by import score_of
from candleray.candles import IntArray
from candleray.search.bars import Bars
from candleray.search.filled.trade_times import TradeTimes, trade_times
from candleray.search.kernel_types import trading_rules
from candleray.search.performance import performance_of
from candleray.search.rankings import Ranking
from candleray.search.stop_tables import Tables
from candleray.search.variants import VariantGrid
from kernels.simulation.accounts import Rules
from kernels.simulation.equity_curve import ReportedBars
from kernels.simulation.outcomes import Outcomes
from kernels.simulation.plane_grid import PlaneGrid
from kernels.simulation.prices import Prices
from kernels.simulation.pruned.limits import KEPT
from kernels.simulation.under_stops import trades_of_combinations, trades_under
from kernels.simulation.without_stops import trades_of, trades_of_range

TRADES_AT_ONCE = 20_000
"""Trades that are traced at once, about: 2 MB, which stay in a core's own cache until they are scored."""


@dataclass(frozen=True)
class Retracing:
    """The part that all variants of a search share, computed once by `of`."""

    grid: VariantGrid
    plane_addresses: NDArray[np.uint64]
    tables: Tables | None
    rules: Rules
    prices: Prices
    reported: ReportedBars

    @classmethod
    def of(
        cls,
        bars: Bars,
        grid: VariantGrid,
        plane_addresses: NDArray[np.uint64],
        tables: Tables | None,
        prices: Prices,
    ) -> Retracing:
        rules = trading_rules(grid.request)
        reported = ReportedBars.of(bars.close, bars.ts_open_ms, bars.bar_ms)
        return cls(grid, plane_addresses, tables, rules, prices, reported)

    def trades(self, index: int) -> NDArray[np.void]:
        """Return every trade of one variant."""
        grid = self.grid
        base, combination = divmod(index, grid.combinations.size)
        addresses = self.plane_addresses[grid.numbering.plane_numbers(base)]
        planes = PlaneGrid.of_variant(addresses, grid.numbering.program)
        if self.tables is None:
            return trades_of(planes, self.prices, self.rules)[0]
        return trades_under(planes, self.tables.stops, combination, self.prices, self.rules)[0]

    def with_other_tie(self) -> Retracing:
        """Return the same, with a minute that touches both levels decided the other way."""
        fills = self.prices.fills
        other = fills._replace(target_first=1 - fills.target_first)
        return replace(self, prices=self.prices._replace(fills=other))

    def times(self, trades: NDArray[np.void]) -> TradeTimes:
        return trade_times(trades, self.reported, self.prices.fills)

    def performance(self, trades: NDArray[np.void]) -> Performance:
        return performance_of(trades, self.reported, self.rules.init_cash_quote, self.prices.fills)

    def scored(
        self, ranking: Ranking, planes: PlaneGrid, outcomes: Outcomes, first: int, bases: IntArray | None = None
    ) -> Ranking:
        """Give each variant its score by the metric of the request, from the number that its report would show.

        Args:
            ranking: those of the outcomes that are kept.
            first: the number of the first of the outcomes, among base variants; where there are stops, among the
                combinations of `bases`.
        """
        metric, kept = self.grid.ranked_by, outcomes.fates == KEPT
        counts = np.where(kept, outcomes.trades, 0)
        scores: list[float] = []
        for begin, end in _batches(counts):
            trades = self._trades_of_some(planes, first + begin, counts[begin:end], bases)
            own = np.split(trades, np.cumsum(counts[begin : end - 1]))
            performances = (self.performance(own[at]) for at in np.flatnonzero(kept[begin:end]).tolist())
            scores += [score_of(metric, metric.formula(performance)) for performance in performances]
        return ranking.scored(np.array(scores, np.float64))

    def _trades_of_some(
        self, planes: PlaneGrid, first: int, counts: IntArray, bases: IntArray | None
    ) -> NDArray[np.void]:
        if self.tables is None or bases is None:
            return trades_of_range(planes, first, counts, self.prices, self.rules)
        return trades_of_combinations(planes, bases, self.tables.stops, first, counts, self.prices, self.rules)


def _batches(counts: IntArray) -> Iterator[tuple[int, int]]:
    """Yield ranges of variants with at most `TRADES_AT_ONCE` trades together, or of one variant."""
    until, begin = np.cumsum(counts), 0
    while begin < counts.size:
        before = until[begin] - counts[begin]
        end = max(begin + 1, int(np.searchsorted(until, before + TRADES_AT_ONCE, side="right")))
        yield begin, end
        begin = end
