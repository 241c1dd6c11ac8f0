"""The report of a simulation: one definition of every metric.

The equity curve is the initial cash at the opening of the first bar, then one point at the close of each bar, with
an open position at the raw close. Sums run in the order of time, except the exposure's: bars at the same place of
their blocks of 64 are added up first, which a processor does several at once. An undefined metric (no trade, no
deviation, no drawdown to divide by) is None, never NaN, infinity or zero.

| metric | definition |
|---|---|
| Start, End, Duration | opening of the first bar, close of the last bar, and the time between, in ms |
| Init. Cash | cash before the first bar |
| Total Profit | last equity − initial cash |
| Total Return [%] | last equity / initial cash − 1 |
| Benchmark Return [%] | last close / first close − 1: buy and hold without costs |
| Position Coverage [%] | share of bars that end in a position |
| Max. Drawdown [%] | largest fall of the equity from its peak so far; 0 where it never fell |
| Avg. Drawdown [%] | mean depth of the drawdown episodes |
| Max., Avg. Drawdown Duration | of the episodes, in ms |
| Num. Trades | closed trades, the one closed on the last bar among them |
| Win Rate [%] | share of trades whose net profit is above zero |
| Best, Worst, Avg. Trade [%] | of the trades' returns: net profit / entry notional |
| Max., Avg. Trade Duration | from the close of the entry bar to the close of the exit bar, in ms |
| Expectancy | mean net profit of a trade, in quote |
| SQN | √n · mean / standard deviation (ddof 1) of the trades' net profits (Tharp) |
| Gross Exposure | mean over all bars of position value / equity |
| Sharpe Ratio | mean / standard deviation (ddof 1) · √365 of the daily returns, risk-free 0 |
| Sortino Ratio | mean / √mean(min(r, 0)²) · √365 of the daily returns |
| Calmar Ratio | ((1 + total return)^(365 / days) − 1) / max. drawdown |

A drawdown episode runs from its peak, the last point at the peak's height, to its recovery, or to the end. A
shortfall or a deviation below 1e-12 of its scale is rounding and counts as none. A day is a UTC day of the bars'
openings; its return is its last equity against that of the day before, the first day against the initial cash.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kernels.jit import FLOAT, FLOATS, FLOATS_OUT, INT, INTS, inline, jit, record_of, splice
from kernels.simulation.accounts import total_return_pct
from kernels.simulation.prices import BLOCK, block_highs, block_lows
from kernels.simulation.trades import TRADES

Metric: TypeAlias = float | int | None

_DAY_MS = 86_400_000
_DAYS_A_YEAR = 365
_ROUNDING = 1e-12


class ReportedBars(NamedTuple):
    """The bars of some simulations, with all that any number of their reports share."""

    close: NDArray[np.float64]
    ts_open_ms: NDArray[np.int64]
    bar_ms: int
    """The length of a bar."""
    highs: NDArray[np.float64]
    """The highest close of each block of bars."""
    lows: NDArray[np.float64]
    """The lowest close of each block of bars."""
    day_ends: NDArray[np.int64]
    """The last bar of each UTC day that has any."""

    @classmethod
    def of(cls, close: NDArray[np.float64], ts_open_ms: NDArray[np.int64], bar_ms: int) -> ReportedBars:
        """
        Raises:
            ValueError: without bars, or without a stamp for each.
        """
        if close.size == 0 or close.size != ts_open_ms.size:
            raise ValueError(f"{close.size} closes and {ts_open_ms.size} stamps make no report")
        midnights = np.arange(ts_open_ms[0] // _DAY_MS + 1, ts_open_ms[-1] // _DAY_MS + 1) * _DAY_MS
        day_ends = np.unique(np.append(np.searchsorted(ts_open_ms, midnights), ts_open_ms.size)) - 1
        return cls(close, ts_open_ms, bar_ms, block_highs(close), block_lows(close), day_ends)


REPORTED_BARS = record_of(ReportedBars, FLOATS, INTS, INT, FLOATS, FLOATS, INTS)
"""The compiled type of `ReportedBars`."""


def report(trades: NDArray[np.void], bars: ReportedBars, init_cash_quote: float) -> dict[str, Metric]:
    """Every metric of one simulation by its name, in the order of the table above.

    Args:
        trades: the simulation's trades, of `kernels.simulation.trades.TRADE`, which count in these bars.
    """
    close, ts_open_ms = bars.close, bars.ts_open_ms
    curve, exposure = _follow(trades, bars, init_cash_quote)
    equity = np.empty(bars.day_ends.size)
    _mark(trades, close, init_cash_quote, bars.day_ends, equity)
    start, end = int(ts_open_ms[0]), int(ts_open_ms[-1]) + bars.bar_ms
    drawdowns = _drawdown_metrics(curve)
    last = float(equity[-1])
    return {
        "Start": start,
        "End": end,
        "Duration": end - start,
        "Init. Cash": init_cash_quote,
        "Total Profit": last - init_cash_quote,
        "Total Return [%]": total_return_pct(last, init_cash_quote),
        "Benchmark Return [%]": (float(close[-1]) / float(close[0]) - 1.0) * 100.0,
        "Position Coverage [%]": int((trades["exit_bar"] - trades["entry_bar"]).sum()) / close.size * 100.0,
        **drawdowns,
        **_trade_metrics(trades, ts_open_ms, init_cash_quote),
        "Gross Exposure": exposure,
        **_ratios(equity, init_cash_quote, (end - start) / _DAY_MS, drawdowns["Max. Drawdown [%]"]),
    }


class Curve(NamedTuple):
    """The past of an equity curve up to a bar: its drawdown episodes, its peak, and its lowest point since."""

    deepest: float
    depths: float
    """The sum over all episodes, as is `times_ms`."""
    longest_ms: int
    times_ms: int
    episodes: int
    peak: float
    peak_ms: int
    lowest: float


@inline
def _with_point(curve, equity, now_ms, is_last):
    """The curve with one more point; the last point of all ends the episode that is under way."""
    deepest, depths, episodes = curve.deepest, curve.depths, curve.episodes
    longest_ms, times_ms = curve.longest_ms, curve.times_ms
    peak, lowest = curve.peak, curve.lowest
    if equity < peak * (1.0 - _ROUNDING):
        lowest = min(lowest, equity)
        if not is_last:
            return Curve(deepest, depths, longest_ms, times_ms, episodes, peak, curve.peak_ms, lowest)
    if lowest < peak:
        depth = (peak - lowest) / peak
        deepest = max(deepest, depth)
        depths += depth
        longest_ms = max(longest_ms, now_ms - curve.peak_ms)
        times_ms += now_ms - curve.peak_ms
        episodes += 1
    peak = max(peak, equity)
    return Curve(deepest, depths, longest_ms, times_ms, episodes, peak, now_ms, peak)


@splice
def _after_idle_bars(curve, equity, first, stop, bars):
    """The curve after bars without a position: of equal points the first and the last are enough."""
    last = bars.ts_open_ms.size - 1
    if first < stop:
        curve = _with_point(curve, equity, bars.ts_open_ms[first] + bars.bar_ms, first == last)
    if first + 1 < stop:
        curve = _with_point(curve, equity, bars.ts_open_ms[stop - 1] + bars.bar_ms, stop - 1 == last)
    return curve


@inline
def _expose(close, quantity, base, signed, fill, exposures):
    for t in range(close.size):
        exposures[t] += quantity * close[t] / (base + signed * (close[t] - fill))


@splice
def _after_held_bars(curve, base, trade, bars, exposures):
    """The curve after the bars of a position; adds its share of the equity on each to the `exposures`."""
    quantity, signed, fill = trade.quantity, trade.side * trade.quantity, trade.entry_fill
    close, ts_open_ms, bar_ms = bars.close, bars.ts_open_ms, bars.bar_ms
    bests, worsts = (bars.highs, bars.lows) if trade.side > 0.0 else (bars.lows, bars.highs)
    bar = trade.entry_bar
    while bar < trade.exit_bar:
        first, block = bar, bar // BLOCK
        bar = min((block + 1) * BLOCK, trade.exit_bar)
        _expose(close[first:bar], quantity, base, signed, fill, exposures[first - block * BLOCK :])
        # A position is never worth less where its price goes its way: the best close has the highest equity.
        if bar - first == BLOCK and base + signed * (bests[block] - fill) < curve.peak * (1.0 - _ROUNDING):
            curve = _with_point(curve, base + signed * (worsts[block] - fill), ts_open_ms[first], False)
            continue
        for t in range(first, bar):
            curve = _with_point(curve, base + signed * (close[t] - fill), ts_open_ms[t] + bar_ms, False)
    return curve


@jit(TRADES, REPORTED_BARS, FLOAT)
def _follow(trades, bars, init_cash):
    """The equity curve at the bars' closes, of which no point is kept, and the mean of position value / equity."""
    curve = Curve(0.0, 0.0, 0, 0, 0, init_cash, bars.ts_open_ms[0], init_cash)
    settled = init_cash
    exposures = np.zeros(BLOCK)
    bar = 0
    for i in range(trades.size):
        trade = trades[i]
        curve = _after_idle_bars(curve, settled, bar, trade.entry_bar, bars)
        curve = _after_held_bars(curve, settled - trade.entry_fee_quote, trade, bars, exposures)
        bar = trade.exit_bar
        settled = trade.equity_quote
    total = 0.0
    for exposure in exposures:
        total += exposure
    n_bars = bars.close.size
    return _after_idle_bars(curve, settled, bar, n_bars, bars), total / n_bars


@jit(TRADES, FLOATS, FLOAT, INTS, FLOATS_OUT)
def _mark(trades, close, init_cash, bars, equity):
    """Write the equity at the close of some bars, given in order."""
    settled = init_cash
    i = 0
    for place in range(bars.size):
        bar = bars[place]
        while i < trades.size and trades[i].exit_bar <= bar:
            settled = trades[i].equity_quote
            i += 1
        equity[place] = settled
        if i < trades.size and trades[i].entry_bar <= bar:
            trade = trades[i]
            base = settled - trade.entry_fee_quote
            equity[place] = base + trade.side * trade.quantity * (close[bar] - trade.entry_fill)


def _drawdown_metrics(curve: Curve) -> dict[str, Metric]:
    episodes = curve.episodes
    return {
        "Max. Drawdown [%]": curve.deepest * 100.0,
        "Avg. Drawdown [%]": curve.depths / episodes * 100.0 if episodes else None,
        "Max. Drawdown Duration": curve.longest_ms if episodes else None,
        "Avg. Drawdown Duration": round(curve.times_ms / episodes) if episodes else None,
    }


def _trade_metrics(trades: NDArray[np.void], ts_open_ms: NDArray[np.int64], init_cash: float) -> dict[str, Metric]:
    count = trades.size
    profits, returns = np.ascontiguousarray(trades["pnl_quote"]), np.ascontiguousarray(trades["return_pct"])
    times = ts_open_ms[trades["exit_bar"]] - ts_open_ms[trades["entry_bar"]]
    expectancy, deviation = _moments(profits)
    return {
        "Num. Trades": count,
        "Win Rate [%]": int(np.count_nonzero(profits > 0)) / count * 100.0 if count else None,
        "Best Trade [%]": float(returns.max()) if count else None,
        "Worst Trade [%]": float(returns.min()) if count else None,
        "Avg. Trade [%]": _moments(returns)[0] if count else None,
        "Max. Trade Duration": int(times.max()) if count else None,
        "Avg. Trade Duration": round(int(times.sum()) / count) if count else None,
        "Expectancy": expectancy if count else None,
        "SQN": math.sqrt(count) * expectancy / deviation if deviation > _ROUNDING * init_cash else None,
    }


def _ratios(
    day_ends: NDArray[np.float64], init_cash: float, days: float, max_drawdown_pct: Metric
) -> dict[str, Metric]:
    returns = _daily_returns(day_ends, init_cash)
    mean, deviation = _moments(returns)
    downside = math.sqrt(_moments(np.minimum(returns, 0.0) ** 2)[0])
    annual = math.sqrt(_DAYS_A_YEAR)
    return {
        "Sharpe Ratio": mean / deviation * annual if deviation > _ROUNDING else None,
        "Sortino Ratio": mean / downside * annual if downside > _ROUNDING else None,
        "Calmar Ratio": _calmar(float(day_ends[-1]) / init_cash, days, max_drawdown_pct),
    }


def _daily_returns(ends: NDArray[np.float64], init_cash: float) -> NDArray[np.float64]:
    begins = np.concatenate(([init_cash], ends[:-1]))
    # A ruined account has nothing left that could return anything.
    return np.where(begins > 0, ends / np.where(begins > 0, begins, 1.0) - 1.0, 0.0)


def _calmar(growth: float, days: float, max_drawdown_pct: Metric) -> Metric:
    if not max_drawdown_pct:
        return None
    try:
        calmar = (growth ** (_DAYS_A_YEAR / days) - 1.0) / (max_drawdown_pct / 100.0)
    except OverflowError:
        return None
    return calmar if math.isfinite(calmar) else None


@jit(FLOATS)
def _moments(values):
    """Mean and standard deviation (ddof 1); 0 where there are too few values for one."""
    mean = squares = 0.0
    for value in values:
        mean += value
    mean /= max(values.size, 1)
    for value in values:
        squares += (value - mean) ** 2
    return mean, math.sqrt(squares / max(values.size - 1, 1))
