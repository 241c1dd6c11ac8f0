"""The performance of one simulation, from its trades."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from candleray.backtests.facts import Drawdowns, Performance, Sample, Setting
from candleray.candles import FloatArray, IntArray
from candleray.search.filled.trade_times import trade_times
from kernels.simulation.accounts import total_return_pct
from kernels.simulation.equity_curve import Curve, ReportedBars, follow_equity, mark_equity, moments
from kernels.simulation.fills import Fills


def performance_of(
    trades: NDArray[np.void], bars: ReportedBars, init_cash_quote: float, fills: Fills | None = None
) -> Performance:
    """Return the performance of a simulation.

    Args:
        trades: the simulation's trades, of `kernels.simulation.trades.TRADE`, which count in these bars.
        fills: where they filled; at closes where left out.
    """
    return _Simulated(trades, bars, init_cash_quote, fills or Fills.at_closes(bars.close))


class _Simulated(Performance):
    """Trades tell most facts; the equity curve and the ends of the days are followed for the metrics that ask."""

    def __init__(self, trades: NDArray[np.void], bars: ReportedBars, init_cash_quote: float, fills: Fills) -> None:
        self._trades = trades
        self._fills = fills
        self._bars = bars
        self._init_cash_quote = init_cash_quote

    @cached_property
    def setting(self) -> Setting:
        bars = self._bars
        return Setting(
            start_ms=int(bars.ts_open_ms[0]),
            end_ms=int(bars.ts_open_ms[-1]) + bars.bar_ms,
            bars=bars.close.size,
            first_close=float(bars.close[0]),
            last_close=float(bars.close[-1]),
            init_cash_quote=self._init_cash_quote,
        )

    @property
    def trades(self) -> int:
        return int(self._trades.size)

    @property
    def last_equity_quote(self) -> float:
        return float(self._trades["equity_quote"][-1]) if self.trades else self._init_cash_quote

    @property
    def total_return_pct(self) -> float:
        return total_return_pct(self.last_equity_quote, self._init_cash_quote)

    @property
    def bars_in_position(self) -> int:
        return int((self._trades["exit_bar"] - self._trades["entry_bar"]).sum())

    @cached_property
    def profits_quote(self) -> Sample:
        return _sample(self._trades["pnl_quote"])

    @cached_property
    def returns_pct(self) -> Sample:
        return _sample(self._trades["return_pct"])

    @cached_property
    def durations_ms(self) -> IntArray:
        times = trade_times(self._trades, self._bars, self._fills)
        return times.exit_ms - times.entry_ms

    @property
    def exposure(self) -> float:
        return self._exposed_curve[1]

    @cached_property
    def drawdowns(self) -> Drawdowns:
        curve = self._curve
        return Drawdowns(curve.episodes, curve.deepest, curve.depths, curve.longest_ms, curve.times_ms)

    @cached_property
    def daily_returns(self) -> Sample:
        ends = np.empty(self._bars.day_ends.size)
        mark_equity(self._trades, self._bars.close, self._init_cash_quote, self._bars.day_ends, ends)
        begins = np.concatenate(([self._init_cash_quote], ends[:-1]))
        # A ruined account has nothing left that could return anything.
        return _sample(np.where(begins > 0, ends / np.where(begins > 0, begins, 1.0) - 1.0, 0.0))

    @property
    def downside(self) -> float:
        return math.sqrt(moments(np.minimum(self.daily_returns.values, 0.0) ** 2)[0])

    @cached_property
    def _exposed_curve(self) -> tuple[Curve, float]:
        curve, exposure = follow_equity(self._trades, self._bars, self._init_cash_quote, 1)
        return curve, exposure

    @cached_property
    def _curve(self) -> Curve:
        if "_exposed_curve" in vars(self):
            return self._exposed_curve[0]
        curve: Curve = follow_equity(self._trades, self._bars, self._init_cash_quote, 0)[0]
        return curve


def _sample(values: FloatArray) -> Sample:
    values = np.ascontiguousarray(values)
    return Sample(values, *moments(values))
