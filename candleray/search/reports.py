"""Reports of a search's best variants (R4.10): what they share is computed once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from candleray.backtests.report import table_md
from candleray.backtests.result import RankedVariant
from candleray.search.kernel_types import trading_rules
from candleray.search.rankings import Ranking
from candleray.search.stop_tables import Tables
from candleray.search.variants import VariantGrid
from candleray.trades import trade_of
from kernels.simulation.accounts import Rules
from kernels.simulation.first_passages import Ruin
from kernels.simulation.metrics import Outline, report
from kernels.simulation.under_stops import trades_under
from kernels.simulation.without_stops import trades_of

if TYPE_CHECKING:
    from candleray.search.engine import Bars


@dataclass(frozen=True)
class Reporter:
    """`of` the bars, planes and, with stops, tables of a search; then `report` for each variant."""

    bars: Bars
    grid: VariantGrid
    plane_addresses: NDArray[np.uint64]
    tables: Tables | None
    rules: Rules
    ruin: Ruin
    outline: Outline

    @classmethod
    def of(
        cls, bars: Bars, grid: VariantGrid, plane_addresses: NDArray[np.uint64], tables: Tables | None
    ) -> Reporter:
        rules = trading_rules(grid.request)
        ruin, outline = Ruin.over(bars.close, rules.slippage), Outline.of(bars.close, bars.ts_open_ms)
        return cls(bars, grid, plane_addresses, tables, rules, ruin, outline)

    def report(self, ranking: Ranking, position: int, rank: int) -> RankedVariant:
        """Of the variant at that position of the ranking."""
        bars, index = self.bars, int(ranking.index[position])
        trades = self._trades(index)
        cash = self.rules.init_cash_quote
        metrics = report(trades, bars.close, bars.ts_open_ms, bars.bar_ms, cash, self.outline)
        return RankedVariant(
            rank=rank,
            variant_index=index,
            total_return_pct=float(ranking.total_return_pct[position]),
            conflicting_signals=int(ranking.conflicts[position]),
            metrics=metrics,
            table_md=table_md(metrics),
            trades=(
                tuple(trade_of(row, bars.ts_open_ms + bars.bar_ms) for row in trades)
                if rank <= self.grid.request.trades_for
                else None
            ),
            strategy=self.grid.strategy(index),
        )

    def _trades(self, index: int) -> NDArray[np.void]:
        """Every trade of one variant."""
        grid, close = self.grid, self.bars.close
        base, combination = divmod(index, grid.combinations.size)
        digits = zip(grid.plane_offsets, grid.radix.decode(base), strict=True)
        addresses = self.plane_addresses[[offset + digit for offset, digit in digits]]
        if self.tables is None:
            return trades_of(addresses, close, self.rules, self.ruin)[0]
        return trades_under(addresses, self.tables.stops, combination, close, self.rules, self.ruin)[0]
