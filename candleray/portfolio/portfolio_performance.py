"""The performance of a portfolio, from its marks and its trades: every metric of the reports of backtests."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from candleray.backtests.facts import Drawdowns, Performance, Sample, Setting
from candleray.candles import FloatArray, IntArray
from candleray.portfolio.market import Trading
from kernels.portfolio.ledger import Ledger
from kernels.simulation.accounts import total_return_pct
from kernels.simulation.equity_curve import ReportedBars, follow_equity, moments
from kernels.simulation.prices import BLOCK
from kernels.simulation.trades import TRADE


class PortfolioPerformance(Performance):
    """The marks are the bars of a portfolio; its trades come in the order of their exits."""

    def __init__(
        self,
        ledger: Ledger,
        deals: NDArray[np.void],
        entry_ms: IntArray,
        trading: Trading,
        init_cash_quote: float,
        benchmark: float,
    ) -> None:
        """
        Args:
            entry_ms: of each deal.
            benchmark: last close / first close of what is held for comparison.
        """
        self._ledger = ledger
        self._deals = deals
        self._entry_ms = entry_ms
        self._trading = trading
        self._init_cash_quote = init_cash_quote
        self._benchmark = benchmark

    @cached_property
    def bars(self) -> ReportedBars:
        return self._trading.bars_of(self._ledger.equity)

    @cached_property
    def setting(self) -> Setting:
        return Setting(
            start_ms=self._trading.start_ms,
            end_ms=int(self._trading.marks_ms[-1]),
            bars=int(self._trading.marks_ms.size),
            first_close=1.0,
            last_close=self._benchmark,
            init_cash_quote=self._init_cash_quote,
        )

    @property
    def trades(self) -> int:
        return int(self._deals.size)

    @property
    def last_equity_quote(self) -> float:
        return float(self._ledger.equity[-1])

    @property
    def total_return_pct(self) -> float:
        return total_return_pct(self.last_equity_quote, self._init_cash_quote)

    @property
    def bars_in_position(self) -> int:
        return int(np.count_nonzero(self._ledger.positions))

    @cached_property
    def profits_quote(self) -> Sample:
        return sample_of(self._deals["pnl_quote"])

    @cached_property
    def returns_pct(self) -> Sample:
        return sample_of(self._deals["pnl_quote"] / self._deals["notional_quote"] * 100.0)

    @cached_property
    def durations_ms(self) -> IntArray:
        durations: IntArray = self._deals["exit_ms"] - self._entry_ms
        return durations

    @cached_property
    def exposure(self) -> float:
        """Summed in the order of a single backtest's: bars at the same place of their blocks first."""
        held = np.flatnonzero(self._ledger.positions)
        shares = self._ledger.gross[held] / self._ledger.equity[held]
        total = 0.0
        for exposure in np.bincount(held % BLOCK, shares, BLOCK).tolist():
            total += exposure
        return total / int(self._trading.marks_ms.size)

    @cached_property
    def drawdowns(self) -> Drawdowns:
        """The drawdowns of a thing that is held throughout and whose price is the equity."""
        last = self._ledger.equity.size - 1
        held = np.zeros(1, TRADE)
        held["exit_bar"], held["side"], held["quantity"] = last, 1, 1.0
        held["entry_fee_quote"], held["equity_quote"] = self._init_cash_quote, self.last_equity_quote
        curve, _ = follow_equity(held, self.bars, self._init_cash_quote, 0)
        return Drawdowns(curve.episodes, curve.deepest, curve.depths, curve.longest_ms, curve.times_ms)

    @cached_property
    def daily_returns(self) -> Sample:
        ends = self._ledger.equity[self.bars.day_ends]
        begins = np.concatenate(([self._init_cash_quote], ends[:-1]))
        # A ruined account has nothing left that could return anything.
        return sample_of(np.where(begins > 0, ends / np.where(begins > 0, begins, 1.0) - 1.0, 0.0))

    @property
    def downside(self) -> float:
        return math.sqrt(moments(np.minimum(self.daily_returns.values, 0.0) ** 2)[0])


def sample_of(values: FloatArray) -> Sample:
    values = np.ascontiguousarray(values)
    return Sample(values, *moments(values))
