"""Portfolios over candles: members are what their own backtests are, and one alone is its backtest to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from candleray.backtests.request import BacktestRequest
from candleray.candles import Candles
from candleray.errors import InvalidInput
from candleray.portfolio import walking
from candleray.portfolio.portfolio_request import PortfolioRequest
from candleray.search.variants import resolve
from candleray.settings import Settings
from candleray.timeframes import ms_of
from candleray.validation import validated
from tests.support.oracles.naive_portfolio import DAY_MS, NaiveMember, NaivePortfolio, NaiveTrade
from tests.support.portfolios.over_candles import portfolio_over, walk_of
from tests.support.searches import bars_over, search_over

RANGE = {"start": "2025-01-01T05:00:00Z", "end": "2025-01-05T00:00:00Z"}
CANDLES = {"AAAUSDT": walk_of(6000, 1, 0.002), "BBBUSDT": walk_of(6000, 2, 0.003)}
DEFAULTS = Settings(environment="test").backtests


def strategy(window: int, symbol: str = "AAAUSDT", timeframe: str = "5m", **changes: Any) -> dict[str, Any]:
    return {
        "instrument": {"market_id": 1, "symbol": symbol},
        "timeframe": timeframe,
        "indicators": [{"id": "sma", "params": {"window": window}}],
        "fee_pct": 0.01,
        **changes,
    }


def content(*strategies: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"members": [{"strategy": one} for one in strategies], "time_range": RANGE, **changes}


def backtest(one: dict[str, Any]) -> Any:
    asked = BacktestRequest.model_validate({**one, "time_range": RANGE, "trades_for": 1})
    return search_over(CANDLES[one["instrument"]["symbol"]], resolve(asked, DEFAULTS), DEFAULTS.warmup_bars).top[0]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"fill": {"entry": "next_open"}},
        {"risk": {"sl_pct": 0.4, "tp_pct": 0.6}, "fill": {"entry": "next_open", "stops": "intrabar"}},
        {"risk": {"sl_pct": 0.8}, "sizing": {"mode": "risk_per_trade", "risk_pct": 0.5}},
        {
            "risk": {"sl_pct": 0.9, "sl_atr": 2},
            "fill": {"entry": "next_open", "stops": "intrabar"},
            "sizing": {"mode": "risk_per_trade", "risk_pct": 0.3},
        },
        {"sizing": {"mode": "volatility_target", "target_pct": 2, "window": 50}},
    ],
)
async def test_a_portfolio_of_one_is_its_backtest_to_the_bit(changes: dict[str, Any]):
    one = strategy(9, **changes)
    alone, found = backtest(one), await portfolio_over(CANDLES, content(one))
    assert found.metrics == alone.metrics
    assert found.table_md == alone.table_md


async def test_a_ruined_member_is_its_backtest_to_the_bit():
    """A short whose price has doubled loses everything, and the rest of its entries find nothing to spend."""
    calm = walk_of(6000, 5)
    candles = Candles(calm.ts_open_ms, np.where(np.arange(6000) < 1500, calm.values, 2.5 * calm.values))
    short = strategy(300, direction="short-only", timeframe="1m")
    asked = resolve(BacktestRequest.model_validate({**short, "time_range": RANGE}), DEFAULTS)
    alone = search_over(candles, asked, DEFAULTS.warmup_bars).top[0]
    assert alone.total_return_pct == -100.0
    found = await portfolio_over({"AAAUSDT": candles}, content(short))
    assert found.metrics == alone.metrics
    assert found.members[0].refused["no_cash"] > 0


async def test_members_of_other_instruments_and_timeframes_share_one_account():
    """The slow simulator gets what the members' own backtests list, and finds the days of the portfolio."""
    members = [
        strategy(9),
        strategy(4, "BBBUSDT", "15m"),
        strategy(30, timeframe="1m", fill={"entry": "next_open"}),
    ]
    limits = {"max_gross_exposure": 0.8, "daily_loss_limit_pct": 1.0}
    asked = content(*members, rebalance="daily", limits=limits)
    found = await portfolio_over(CANDLES, asked)
    naive = naive_of(members, limits)
    naive.run()
    days = [[time for time in naive.marks if (time - 1) // DAY_MS == day] for day in range(20089, 20093)]
    ends = [naive.equity[naive.marks.index(times[-1])] for times in days]
    assert [day.equity_quote for day in found.days] == pytest.approx(ends, rel=1e-12)
    assert [one.refused for one in found.members] == [one.refused for one in naive.members]
    assert [one.shrunk for one in found.members] == [one.shrunk for one in naive.members]
    assert len(found.rebalances) == 4
    assert found.rebalances[1].time == "2025-01-02T00:00:00Z"
    assert {halt.limit for halt in found.halts} == {"daily_loss_limit_pct"}
    total = sum(one.contribution_pct for one in found.members)
    assert total == pytest.approx(found.metrics["Total Return [%]"], rel=1e-9)


def naive_of(members: list[dict[str, Any]], limits: dict[str, Any]) -> NaivePortfolio:
    """The same members for the slow simulator, rebalanced to equal shares at each midnight."""
    symbols = list(CANDLES)
    closes = [closes_of(symbols[0], "1m"), closes_of(symbols[1], "15m")]
    marks = sorted({time for series in closes for time, _ in series})
    made = [
        NaiveMember(trades_of(one), symbols.index(one["instrument"]["symbol"]), 0.0001, 0.0001) for one in members
    ]
    midnights = [ms_of(f"2025-01-0{day}") for day in (2, 3, 4)]
    names = ("max_net_exposure", "max_positions", "max_per_instrument", "max_drawdown_pct")
    shares = [[1 / 3] * 3] * 4
    return NaivePortfolio(made, closes, marks, 10_000.0, shares, midnights, dict.fromkeys(names) | limits)


def closes_of(symbol: str, timeframe: str) -> list[tuple[int, float]]:
    asked = BacktestRequest.model_validate({**strategy(9, symbol, timeframe), "time_range": RANGE})
    bars = bars_over(CANDLES[symbol], resolve(asked, DEFAULTS), DEFAULTS.warmup_bars)
    return list(zip((bars.ts_open_ms + bars.bar_ms).tolist(), bars.close.tolist(), strict=True))


def trades_of(one: dict[str, Any]) -> list[NaiveTrade]:
    waits = int(one.get("fill", {}).get("entry") == "next_open")
    return [
        NaiveTrade(
            (ms_of(trade.entry_time), waits),
            (ms_of(trade.exit_time), waits if trade.exit_reason == "signal" else 0),
            1 if trade.side == "long" else -1,
            trade.entry_fill,
            trade.exit_fill,
        )
        for trade in backtest(one).trades
    ]


async def test_shares_by_inverse_volatility_know_the_days_before_alone():
    """The first two days have no window of two days behind them; then the calmer member has the larger share."""
    members = [strategy(9), strategy(9, "BBBUSDT")]
    allocation = {"mode": "inverse_volatility", "window_days": 2}
    found = await portfolio_over(CANDLES, content(*members, allocation=allocation, rebalance="daily"))
    assert [one.shares for one in found.rebalances[:2]] == [(0.5, 0.5), (0.5, 0.5)]
    calm, wild = found.rebalances[2].shares
    assert calm > wild
    assert calm + wild == pytest.approx(1.0)
    until = {**RANGE, "end": "2025-01-04T00:00:00Z"}
    shorter = content(*members, allocation=allocation, rebalance="daily", time_range=until)
    assert (await portfolio_over(CANDLES, shorter)).rebalances == found.rebalances[:3]


async def test_any_number_of_threads_gives_the_same_bytes(monkeypatch: pytest.MonkeyPatch):
    asked = content(strategy(9), strategy(4, "BBBUSDT"), rebalance="daily", allocation="inverse_volatility")
    found = set()
    for threads in (1, 2):
        monkeypatch.setattr(walking, "THREADS", threads)
        found.add((await portfolio_over(CANDLES, asked)).model_dump_json())
    assert len(found) == 1


async def test_a_member_correlates_with_itself_and_not_with_one_that_never_trades():
    found = await portfolio_over(CANDLES, content(strategy(9), strategy(9), strategy(2000, timeframe="15m")))
    rows = found.correlation
    assert rows[0][0] == 1.0
    assert rows[0][1] == pytest.approx(1.0)
    assert rows[2] == (None, None, None)
    assert found.members[2].trades == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"allocation": {"mode": "weights", "weights": [0.7, 0.6]}},
            "the weights sum to 1.3, which is more than 1: make them smaller, the rest stays idle",
        ),
        (
            {"allocation": {"mode": "weights", "weights": [0.7]}},
            "1 weights for 2 members: give one for each, in their order",
        ),
        (
            {"allocation": {"mode": "equal", "weights": [0.5, 0.5]}},
            "weights belongs to the mode weights, not to equal: change the mode, or leave it out",
        ),
        (
            {"members": [{"strategy": strategy(9)}] * 501},
            "501 members, at most 500: leave some out, or make two portfolios",
        ),
        ({"members": [{}]}, "a member is either a saved strategy, strategy_id, or one written out, strategy"),
    ],
)
def test_bad_requests_name_value_bound_and_remedy(changes: dict[str, Any], words: str):
    with pytest.raises(InvalidInput) as refused:
        validated(PortfolioRequest, {**content(strategy(9), strategy(4)), **changes})
    assert words in str(refused.value)


async def test_members_that_share_nothing_in_time_are_named():
    candles = {"AAAUSDT": walk_of(1000, 1), "BBBUSDT": walk_of(1000, 2, first=2000)}
    asked = content(strategy(9), strategy(9, "BBBUSDT"), allow_gaps=True)
    with pytest.raises(InvalidInput, match="end at 2025-01-01T16:40:00Z, before those of BBBUSDT 5m sma begin"):
        await portfolio_over(candles, asked)


async def test_members_with_whole_quotes_alone_are_walked():
    found = await portfolio_over(CANDLES, content(strategy(9, sizing={"mode": "fixed_quote", "quote": 500})))
    assert sum(one.trades for one in found.members) > 0


async def test_a_small_leverage_bounds_a_member_as_it_does_its_backtest():
    sizing = {"mode": "risk_per_trade", "risk_pct": 5, "max_leverage": 0.05}
    one = strategy(9, risk={"sl_pct": 0.8}, sizing=sizing, direction="long-only")
    assert (await portfolio_over(CANDLES, content(one))).metrics == backtest(one).metrics


async def test_a_time_range_of_a_member_s_own_is_told_to_count_for_nothing():
    asked = content(strategy(9, time_range={"start": "2025-01-02", "end": "2025-01-03"}))
    assert (await portfolio_over(CANDLES, asked)).notes == (
        "members.0.strategy.time_range counts for nothing: the range is the portfolio's",
    )


async def test_a_pocket_borrows_nothing():
    sizing = {"mode": "risk_per_trade", "risk_pct": 2}
    plain, borrowing = [
        await portfolio_over(CANDLES, content(strategy(9, risk={"sl_pct": 0.4}, sizing={**sizing, **more})))
        for more in ({}, {"max_leverage": 20})
    ]
    assert plain.metrics["Total Return [%]"] == pytest.approx(borrowing.metrics["Total Return [%]"], rel=1e-9)


async def test_a_sizing_that_has_money_of_its_own_is_refused():
    locked = strategy(9, sizing={"mode": "strategy_compound_profit_lock", "safe_profit_percent": 10})
    with pytest.raises(InvalidInput, match="knows no sizing strategy_compound_profit_lock: use all_in"):
        await portfolio_over(CANDLES, content(strategy(4), locked))


async def test_an_unknown_saved_strategy_is_named_with_its_place():
    unknown = "5b6ad8a4-0000-4000-8000-000000000000"
    asked = {**content(strategy(9)), "members": [{"strategy": strategy(9)}, {"strategy_id": unknown}]}
    with pytest.raises(InvalidInput, match=f"member 1: there is no strategy {unknown}"):
        await portfolio_over(CANDLES, asked)
