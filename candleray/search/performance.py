"""The performance of one simulation, from its trades: all that the metrics of a report are made of."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from candleray.backtests.metrics import Drawdowns, Performance, Sample
from candleray.candles import FloatArray
from kernels.simulation.accounts import total_return_pct
from kernels.simulation.equity_curve import Curve, ReportedBars, follow_equity, mark_equity, moments


def performance_of(trades: NDArray[np.void], bars: ReportedBars, init_cash_quote: float) -> Performance:
    """Return the performance of a simulation.

    Args:
        trades: the simulation's trades, of `kernels.simulation.trades.TRADE`, which count in these bars.
    """
    curve, exposure = follow_equity(trades, bars, init_cash_quote)
    equities = np.empty(bars.day_ends.size)
    mark_equity(trades, bars.close, init_cash_quote, bars.day_ends, equities)
    daily_returns = _daily_returns(equities, init_cash_quote)
    last_equity = float(equities[-1])
    return Performance(
        start_ms=int(bars.ts_open_ms[0]),
        end_ms=int(bars.ts_open_ms[-1]) + bars.bar_ms,
        bars=bars.close.size,
        first_close=float(bars.close[0]),
        last_close=float(bars.close[-1]),
        init_cash_quote=init_cash_quote,
        last_equity_quote=last_equity,
        total_return_pct=total_return_pct(last_equity, init_cash_quote),
        bars_in_position=int((trades["exit_bar"] - trades["entry_bar"]).sum()),
        exposure=exposure,
        drawdowns=_drawdowns(curve),
        profits_quote=_sample(trades["pnl_quote"]),
        returns_pct=_sample(trades["return_pct"]),
        durations_ms=bars.ts_open_ms[trades["exit_bar"]] - bars.ts_open_ms[trades["entry_bar"]],
        daily_returns=_sample(daily_returns),
        downside=math.sqrt(moments(np.minimum(daily_returns, 0.0) ** 2)[0]),
    )


def _drawdowns(curve: Curve) -> Drawdowns:
    return Drawdowns(curve.episodes, curve.deepest, curve.depths, curve.longest_ms, curve.times_ms)


def _sample(values: FloatArray) -> Sample:
    values = np.ascontiguousarray(values)
    return Sample(values, *moments(values))


def _daily_returns(ends: FloatArray, init_cash_quote: float) -> FloatArray:
    begins = np.concatenate(([init_cash_quote], ends[:-1]))
    # A ruined account has nothing left that could return anything.
    return np.where(begins > 0, ends / np.where(begins > 0, begins, 1.0) - 1.0, 0.0)
