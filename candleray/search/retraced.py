"""Variants of a search retraced one by one: every trade again, and the metrics that follow from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from candleray.backtests.facts import Performance
from candleray.backtests.rank_by import score_of
from candleray.search.bars import Bars
from candleray.search.kernel_types import trading_rules
from candleray.search.performance import performance_of
from candleray.search.rankings import Ranking
from candleray.search.stop_tables import Tables
from candleray.search.variants import VariantGrid
from kernels.simulation.accounts import Rules
from kernels.simulation.equity_curve import ReportedBars
from kernels.simulation.plane_grid import PlaneGrid
from kernels.simulation.prices import Prices
from kernels.simulation.under_stops import trades_under
from kernels.simulation.without_stops import trades_of


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

    def performance(self, trades: NDArray[np.void]) -> Performance:
        return performance_of(trades, self.reported, self.rules.init_cash_quote)

    def scored(self, ranking: Ranking) -> Ranking:
        """Give each variant its score by the metric of the request, from the number that its report would show."""
        metric = self.grid.ranked_by
        values = (metric.formula(self.performance(self.trades(index))) for index in ranking.index.tolist())
        return ranking.scored(np.array([score_of(metric, value) for value in values], np.float64))
