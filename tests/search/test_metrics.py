"""The report of runs small enough to work out by hand; test_without_stops compares many more with the oracle."""

from __future__ import annotations

import math

import numpy as np
import pytest

from candleray.backtests.metrics import report
from candleray.search.performance import performance_of
from kernels.simulation.equity_curve import ReportedBars
from kernels.simulation.trades import TRADE

DAY_MS = 86_400_000
HOUR_MS = 3_600_000

NAMES = [
    "Start",
    "End",
    "Duration",
    "Init. Cash",
    "Total Profit",
    "Total Return [%]",
    "Benchmark Return [%]",
    "Position Coverage [%]",
    "Max. Drawdown [%]",
    "Avg. Drawdown [%]",
    "Max. Drawdown Duration",
    "Avg. Drawdown Duration",
    "Num. Trades",
    "Win Rate [%]",
    "Best Trade [%]",
    "Worst Trade [%]",
    "Avg. Trade [%]",
    "Max. Trade Duration",
    "Avg. Trade Duration",
    "Expectancy",
    "SQN",
    "Gross Exposure",
    "Sharpe Ratio",
    "Sortino Ratio",
    "Calmar Ratio",
]


def trades_of(*rows: tuple[int, int, int, float, float], cash: float = 1000.0) -> np.ndarray:
    """Trades without costs, all cash in, from (entry bar, exit bar, side, entry price, exit price)."""
    trades = np.zeros(len(rows), TRADE)
    for trade, (entry, exit_, side, bought, sold) in zip(trades, rows, strict=True):
        quantity = cash / bought
        profit = side * quantity * (sold - bought)
        trade["entry_bar"], trade["exit_bar"], trade["side"] = entry, exit_, side
        trade["entry_fill"], trade["exit_fill"], trade["quantity"] = bought, sold, quantity
        trade["entry_notional_quote"] = cash
        trade["pnl_quote"], trade["return_pct"] = profit, profit / cash * 100
        cash += profit
        trade["equity_quote"] = cash
    return trades


def metrics_of(trades: np.ndarray, close: np.ndarray, stamps: np.ndarray, bar_ms: int):
    return report(performance_of(trades, ReportedBars.of(close, stamps, bar_ms), 1000.0))


def days(close: list[float], *rows: tuple[int, int, int, float, float]) -> dict[str, float | int | None]:
    """The report over daily bars from 1000 quote."""
    stamps = np.arange(len(close), dtype=np.int64) * DAY_MS
    return metrics_of(trades_of(*rows), np.array(close, float), stamps, DAY_MS)


def test_the_report_has_the_25_metrics_in_their_order():
    assert list(days([1.0])) == NAMES


def test_without_a_trade_what_needs_one_is_none():
    metrics = days([100.0, 110.0, 99.0])
    assert metrics["Total Return [%]"] == metrics["Max. Drawdown [%]"] == metrics["Gross Exposure"] == 0.0
    assert metrics["Num. Trades"] == 0
    assert metrics["Benchmark Return [%]"] == pytest.approx(-1)
    undefined = [name for name, value in metrics.items() if value is None]
    assert undefined == [*NAMES[9:12], *NAMES[13:21], *NAMES[22:]]


def test_times_are_whole_milliseconds():
    metrics = days([100.0, 100.0, 100.0])
    assert (metrics["Start"], metrics["End"], metrics["Duration"]) == (0, 3 * DAY_MS, 3 * DAY_MS)
    assert all(isinstance(metrics[name], int) for name in NAMES[:3])


def test_equity_is_marked_at_the_close_of_every_bar():
    metrics = days([100.0, 80.0, 60.0, 90.0, 120.0], (0, 4, 1, 100.0, 120.0))
    assert metrics["Total Profit"] == pytest.approx(200)
    assert metrics["Max. Drawdown [%]"] == pytest.approx(40)
    # From the close of the first bar, the last at the peak, to the close of the fifth.
    assert metrics["Max. Drawdown Duration"] == 4 * DAY_MS
    assert metrics["Position Coverage [%]"] == 80.0
    assert metrics["Gross Exposure"] == pytest.approx(0.8)


def test_a_drawdown_that_does_not_recover_lasts_to_the_end():
    metrics = days([100.0, 120.0, 90.0, 108.0], (0, 3, 1, 100.0, 108.0))
    assert metrics["Max. Drawdown [%]"] == pytest.approx(25)
    assert metrics["Max. Drawdown Duration"] == 2 * DAY_MS


def test_drawdowns_are_averaged_over_episodes():
    close = [100.0, 90.0, 100.0, 120.0, 60.0, 60.0, 120.0, 120.0]
    metrics = days(close, (0, 7, 1, 100.0, 120.0))
    assert metrics["Max. Drawdown [%]"] == pytest.approx(50)
    assert metrics["Avg. Drawdown [%]"] == pytest.approx(30)
    assert metrics["Max. Drawdown Duration"] == 3 * DAY_MS
    assert metrics["Avg. Drawdown Duration"] == round(2.5 * DAY_MS)


def test_a_loss_on_the_first_bar_falls_from_the_initial_cash():
    trades = trades_of((0, 1, 1, 100.0, 100.0))
    trades["entry_fee_quote"] = trades["fees_quote"] = 10.0
    trades["pnl_quote"], trades["equity_quote"] = -10.0, 990.0
    metrics = metrics_of(trades, np.array([100.0, 100.0]), np.array([0, DAY_MS]), DAY_MS)
    assert metrics["Max. Drawdown [%]"] == pytest.approx(1)
    assert metrics["Max. Drawdown Duration"] == 2 * DAY_MS


def test_rounding_is_no_drawdown():
    metrics = days([100.0, 100.0 * (1 - 1e-14), 100.0], (0, 2, 1, 100.0, 100.0))
    assert metrics["Max. Drawdown [%]"] == 0.0
    assert metrics["Avg. Drawdown [%]"] is None


def test_trades_are_counted_from_their_net_profits():
    close = [100.0, 110.0, 99.0, 99.0]
    metrics = days(close, (0, 1, 1, 100.0, 110.0), (1, 2, 1, 110.0, 99.0), (2, 3, 1, 99.0, 99.0))
    assert metrics["Num. Trades"] == 3
    assert metrics["Win Rate [%]"] == pytest.approx(100 / 3)
    assert (metrics["Best Trade [%]"], metrics["Worst Trade [%]"]) == (pytest.approx(10), pytest.approx(-10))
    assert metrics["Avg. Trade [%]"] == pytest.approx(0, abs=1e-12)
    profits = [100.0, -110.0, 0.0]
    assert metrics["Expectancy"] == pytest.approx(-10 / 3)
    assert metrics["SQN"] == pytest.approx(math.sqrt(3) * np.mean(profits) / np.std(profits, ddof=1))


def test_trade_durations_are_times_not_bars():
    stamps = np.array([0, 1, 2, 30], np.int64) * HOUR_MS
    trades = trades_of((0, 1, 1, 100.0, 100.0), (1, 3, 1, 100.0, 100.0))
    metrics = metrics_of(trades, np.full(4, 100.0), stamps, HOUR_MS)
    assert metrics["Max. Trade Duration"] == 29 * HOUR_MS
    assert metrics["Avg. Trade Duration"] == 15 * HOUR_MS


def test_equal_profits_have_no_system_quality():
    metrics = days([100.0, 100.0, 100.0], (0, 1, 1, 100.0, 100.0), (1, 2, 1, 100.0, 100.0))
    assert metrics["SQN"] is None
    trades = trades_of((0, 1, 1, 100.0, 100.0), (1, 2, 1, 100.0, 100.0))
    trades["pnl_quote"] = [0.1 + 0.2, 0.3]
    assert metrics_of(trades, np.full(3, 100.0), np.arange(3) * DAY_MS, DAY_MS)["SQN"] is None


def test_a_short_is_exposed_by_what_it_owes():
    metrics = days([100.0, 150.0, 100.0], (0, 2, -1, 100.0, 100.0))
    # Owed 1000 on an equity of 1000, then 1500 on 500.
    assert metrics["Gross Exposure"] == pytest.approx((1 + 3) / 3)
    assert metrics["Max. Drawdown [%]"] == pytest.approx(50)


def test_ratios_come_from_daily_returns_and_a_year_of_365_days():
    close = [100.0, 110.0, 104.5, 104.5]
    metrics = days(close, (0, 3, 1, 100.0, 104.5))
    returns = np.array([0.0, 0.1, -0.05, 0.0])
    assert metrics["Sharpe Ratio"] == pytest.approx(returns.mean() / returns.std(ddof=1) * math.sqrt(365))
    downside = math.sqrt((np.minimum(returns, 0) ** 2).mean())
    assert metrics["Sortino Ratio"] == pytest.approx(returns.mean() / downside * math.sqrt(365))
    assert metrics["Calmar Ratio"] == pytest.approx((1.045 ** (365 / 4) - 1) / 0.05)


def test_a_day_is_a_utc_day_of_the_bars_openings_and_days_without_bars_are_none():
    stamps = np.array([0, 23, 24, 47, 24 * 5], np.int64) * HOUR_MS
    close = np.array([100.0, 120.0, 110.0, 90.0, 99.0])
    trades = trades_of((0, 4, 1, 100.0, 99.0))
    metrics = metrics_of(trades, close, stamps, HOUR_MS)
    returns = np.array([0.2, 90 / 120 - 1, 0.1])
    assert metrics["Sharpe Ratio"] == pytest.approx(returns.mean() / returns.std(ddof=1) * math.sqrt(365))


def test_a_ruined_account_reports_a_loss_of_everything():
    trades = trades_of((0, 1, -1, 100.0, 200.0))
    metrics = metrics_of(trades, np.array([100.0, 250.0, 50.0]), np.arange(3) * DAY_MS, DAY_MS)
    assert metrics["Total Return [%]"] == metrics["Worst Trade [%]"] == -100.0
    assert metrics["Max. Drawdown [%]"] == 100.0
    assert metrics["Calmar Ratio"] == -1.0
    assert all(value is None or math.isfinite(value) for value in metrics.values())


def test_a_growth_beyond_numbers_is_none():
    stamps = np.arange(3, dtype=np.int64) * 60_000
    metrics = metrics_of(trades_of((0, 2, 1, 1.0, 2.0)), np.array([1.0, 0.9, 2.0]), stamps, 60_000)
    assert metrics["Calmar Ratio"] is None


def test_bars_are_needed():
    with pytest.raises(ValueError, match="no report"):
        metrics_of(trades_of(), np.empty(0), np.empty(0, np.int64), DAY_MS)


def test_every_value_is_plain_python():
    metrics = days([100.0, 80.0, 120.0], (0, 2, 1, 100.0, 120.0))
    assert {type(value) for value in metrics.values()} <= {int, float, type(None)}
