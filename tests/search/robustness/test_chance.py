"""Trades left out and candles with noise: the money of each draw by a plain account, and the same for one seed."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from candleray.backtests.request import BacktestRequest
from candleray.backtests.robustness import Check, Robustness, RobustnessQuery
from candleray.random_words import words_of
from candleray.search.bars import Bars
from candleray.search.robustness import skipped_trades
from candleray.search.robustness.checking import checked
from candleray.search.robustness.draws import in_order, percentile, uniform
from candleray.search.robustness.figures import figures_of, traced
from candleray.search.robustness.noisy_candles import noisy
from candleray.search.robustness.skipped_trades import LoneTrades, kept_trades
from candleray.search.variant_reports import Traced
from candleray.search.variants import resolve
from candleray.settings import BacktestSettings, Settings
from candleray.work_elsewhere import on_a_thread
from tests.support.api.in_process_api import random_walk
from tests.support.oracles import oracle
from tests.support.searches import MinutesInMemory, bars_over

WALK = random_walk(3000)
DEFAULTS = BacktestSettings()
STRATEGY: dict[str, Any] = {
    "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
    "timeframe": "5m",
    "time_range": {"start": "2025-01-01T20:00:00Z", "end": "2025-01-03T00:00:00Z"},
    "indicators": [{"id": "sma", "params": {"window": 9}}],
    "fee_pct": 0.1,
    "slippage_pct": 0.05,
}
SIZINGS: list[dict[str, Any]] = [
    {"mode": "all_in"},
    {"mode": "fixed_quote", "quote": 900},
    {"mode": "strategy_compound_profit_lock", "budget_quote": 5000, "safe_profit_percent": 30},
]


def strategy(**changes: Any) -> tuple[Bars, BacktestRequest]:
    content = {name: value for name, value in {**STRATEGY, **changes}.items() if value is not None}
    request = resolve(BacktestRequest.model_validate(content), DEFAULTS)
    return bars_over(WALK, request, DEFAULTS.warmup_bars), request


def run_of(sizing: dict[str, Any], **changes: Any) -> Traced:
    return traced(*strategy(sizing=sizing, **changes), DEFAULTS)


def rules_of(sizing: dict[str, Any]) -> oracle.Rules:
    names = {"mode": "sizing", "quote": "fixed_quote"}
    return oracle.Rules(
        fee_pct=0.1, slippage_pct=0.05, **{names.get(key, key): value for key, value in sizing.items()}
    )


def naive(run: Traced, kept: np.ndarray, rules: oracle.Rules) -> oracle.Run:
    """Return the kept trades with money of their own, and the equity at every close, one bar after the other."""
    close = run.bars.close.tolist()
    left = [trade for trade, stays in zip(run.trades, kept, strict=True) if stays]
    account, told = oracle._open_account(rules), oracle.Run()
    position = None
    for t, price in enumerate(close):
        if left and position is not None and left[0]["exit_bar"] == t:
            told.trades.append(oracle._settle(account, position, t, price, "signal", rules))
            position = None
            left.pop(0)
        if left and position is None and left[0]["entry_bar"] == t:
            position = oracle._enter(account, int(left[0]["side"]), t, price, rules)
        told.equity.append(oracle._marked_equity(account, position, price))
        told.position_value.append(0.0 if position is None else position.quantity * price)
    return told


@pytest.mark.parametrize("sizing", SIZINGS, ids=lambda sizing: sizing["mode"])
@pytest.mark.parametrize("risk", [{}, {"sl_pct": 0.4, "tp_pct": 0.6}], ids=["signals", "stops"])
def test_a_draw_has_the_money_of_its_trades_alone(sizing: dict[str, Any], risk: dict[str, float]):
    run, rules = run_of(sizing, risk=risk), rules_of(sizing)
    (kept,) = kept_trades(run.trades.size, 30, 5, seed=3)
    lone = LoneTrades(run)
    for total, mask in zip(lone.returns(kept), kept, strict=True):
        told = naive(run, mask, rules)
        opens = run.bars.ts_open_ms.tolist()
        report = oracle.report(told, run.bars.close.tolist(), opens, run.bars.bar_ms, 10_000.0)
        figures = figures_of(lone.performance(mask))
        assert figures.total_return_pct == total
        assert total == pytest.approx(report["Total Return [%]"], rel=1e-9)
        assert figures.sharpe_ratio == pytest.approx(report["Sharpe Ratio"], rel=1e-9)
        assert figures.max_drawdown_pct == pytest.approx(report["Max. Drawdown [%]"], rel=1e-9)
        assert figures.trades == mask.sum() == report["Num. Trades"] < run.trades.size


def test_a_draw_that_leaves_nothing_out_is_the_strategy_to_the_bit():
    run = run_of(SIZINGS[2], risk={"sl_pct": 0.4})
    every = np.ones(run.trades.size, np.bool_)
    lone = LoneTrades(run)
    assert figures_of(lone.performance(every)) == figures_of(run.retracing.performance(run.trades))
    assert lone.returns(every[np.newaxis])[0] == figures_of(run.retracing.performance(run.trades)).total_return_pct


def test_a_short_that_loses_its_margin_between_entry_and_exit_is_ruined_in_every_draw():
    bars, request = strategy(
        indicators=None, signals={"short_entry": {"above": [{"price": "close"}, 0]}}, direction="short-only"
    )
    bars.close[100] *= 3
    run = traced(bars, request, DEFAULTS)
    assert LoneTrades(run).returns(np.ones((1, run.trades.size), np.bool_)).tolist() == [-100.0]


def test_which_trades_are_left_out_depends_on_the_seed_and_on_nothing_else(monkeypatch: pytest.MonkeyPatch):
    (whole,) = kept_trades(50, 10, 200, seed=1)
    assert 0.88 < whole.mean() < 0.92
    monkeypatch.setattr(skipped_trades, "FLAGS_AT_ONCE", 6 * 50 * 7)
    parts = list(kept_trades(50, 10, 200, seed=1))
    assert len(parts) == 29
    assert (np.concatenate(parts) == whole).all()
    assert (next(kept_trades(50, 10, 200, seed=2)) != whole[:7]).any()


def test_noise_moves_each_price_by_at_most_its_share_of_a_bar_and_keeps_bars_whole():
    bars, _ = strategy()
    before, after = bars.candles.values, noisy(bars, 25, 5, 0).candles.values
    height = np.median((before[1] - before[2]) / before[3])
    moves = np.abs(after[[0, 3]] / before[[0, 3]] - 1) / height
    assert 0.24 < moves.max() <= 0.25
    assert moves.mean() == pytest.approx(0.125, rel=0.1)
    assert (after[1] >= after[[0, 2, 3]]).all()
    assert (after[2] <= after[[0, 1, 3]]).all()
    assert (after[4] == before[4]).all()
    assert (noisy(bars, 25, 5, 0).candles.values == after).all()
    for other in (noisy(bars, 25, 5, 1), noisy(bars, 25, 6, 0)):
        assert (other.candles.values[3] != after[3]).mean() > 0.99


def test_random_numbers_are_those_of_the_seed_on_every_machine():
    assert uniform(words_of(7, "a stream").random_raw(3)).tolist() == [
        0.760572842205538,
        -0.2786548445649444,
        0.4797411451965148,
    ]


def test_a_percentile_is_the_nearest_draw_that_is_not_below_it():
    ordered = in_order(np.array([3.0, 1.0, 2.0, 1.0]))
    assert ordered.tolist() == [1, 3, 2, 0]
    assert [percentile(ordered, percent) for percent in (0, 5, 25, 26, 50, 75, 100)] == [1, 1, 1, 3, 3, 2, 0]


def check(**query: Any) -> Robustness:
    request = BacktestRequest.model_validate(STRATEGY)
    asked = RobustnessQuery.model_validate({"check": ["skipped", "noise"], "draws": 40, "noise_draws": 3, **query})
    return asyncio.run(checked(request, asked, MinutesInMemory(WALK), Settings(environment="test"), on_a_thread))


def test_a_check_shows_the_fifth_percentile_and_the_median_and_tells_all_draws():
    told = check()
    assert [(case.check, case.name) for case in told.cases] == [
        (Check.SKIPPED, "10 % of trades left out, 5th percentile of 40 draws"),
        (Check.SKIPPED, "10 % of trades left out, median of 40 draws"),
        (Check.NOISE, "prices moved by up to 10 % of a bar's height, 5th percentile of 3 draws"),
        (Check.NOISE, "prices moved by up to 10 % of a bar's height, median of 3 draws"),
    ]
    for draws in told.draws:
        low, median = (case.figures.total_return_pct for case in told.cases if case.check is draws.check)
        assert (draws.total_return_pct["5"], draws.total_return_pct["50"]) == (low, median)
        assert list(draws.total_return_pct.values()) == sorted(draws.total_return_pct.values())
    assert told.summary[1].startswith("Trades left out: ")
    assert "of 40 draws lose; half return" in told.summary[1]
    assert check() == told
    assert check(seed=1).draws != told.draws
