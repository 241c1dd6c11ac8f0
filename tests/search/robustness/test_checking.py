"""A robustness check beside plain Python: every case simulated anew, bar by bar, from its words alone."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any

import pytest

from candleray.backtests.request import BacktestRequest
from candleray.backtests.robustness import Case, Check, Robustness, RobustnessQuery
from candleray.errors import GuardExceeded, InvalidInput
from candleray.search.robustness.checking import checked
from candleray.settings import Settings
from candleray.timeframes import DAY_MS, MINUTE_MS, ms_of
from candleray.work_elsewhere import on_a_thread
from tests.support.api.in_process_api import random_walk
from tests.support.oracles import oracle
from tests.support.searches import MinutesInMemory

START_MS = ms_of("2024-12-29")
WALK = random_walk(8 * 1440, start_ms=START_MS)
RANGE = {"start": "2024-12-29T12:00:00Z", "end": "2025-01-05T18:00:00Z"}
STRATEGY: dict[str, Any] = {
    "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
    "timeframe": "5m",
    "time_range": RANGE,
    "let": {"mean": {"id": "sma", "params": {"window": 20}}},
    "signals": {"long_entry": {"above": [{"price": "close"}, "mean"]}},
    "direction": "long-only",
    "exit_on": "neutral",
    "fee_pct": 0.1,
    "slippage_pct": 0.05,
    "risk": {"sl_pct": 0.5},
}


def check(**changes: Any) -> Robustness:
    asked, variant_index = changes.pop("check", []), changes.pop("variant_index", 0)
    settings = changes.pop("settings", Settings(environment="test"))
    request = BacktestRequest.model_validate({**STRATEGY, **changes})
    query = RobustnessQuery(check=asked, variant_index=variant_index)
    return asyncio.run(checked(request, query, MinutesInMemory(WALK), settings, on_a_thread))


@cache
def whole() -> Robustness:
    return check()


def cases(kind: Check) -> list[Case]:
    return [case for case in whole().cases if case.check is kind]


def naive(
    start: str = RANGE["start"],
    end: str = RANGE["end"],
    window: int = 20,
    costs: float = 1,
    stop: float = 0.5,
    delay: int = 0,
) -> dict[str, Any]:
    """Return the report of the strategy by the oracle, its average made of plain sums."""
    closes = [float(close) for close in WALK.values[3, 4::5]]
    first = (ms_of(start) - START_MS) // (5 * MINUTE_MS)
    last = (ms_of(end) - START_MS) // (5 * MINUTE_MS)
    told = range(first - delay, last - delay)  # the bars whose signals are heard of
    above = [closes[t] > sum(closes[t - window + 1 : t + 1]) / window for t in told]
    rules = oracle.Rules("long-only", "neutral", 0.1 * costs, 0.05 * costs, sl_pct=stop)
    run = oracle.simulate([above], [[False] * len(above)], closes[first:last], rules)
    opens = [START_MS + t * 5 * MINUTE_MS for t in range(first, last)]
    return oracle.report(run, closes[first:last], opens, 5 * MINUTE_MS, rules.init_cash_quote)


def assert_same(case: Any, report: dict[str, Any]) -> None:
    figures = case.figures if isinstance(case, Case) else case
    assert figures.total_return_pct == pytest.approx(report["Total Return [%]"], rel=1e-9)
    assert figures.sharpe_ratio == pytest.approx(report["Sharpe Ratio"], rel=1e-9)
    assert figures.max_drawdown_pct == pytest.approx(report["Max. Drawdown [%]"], rel=1e-9)
    assert figures.benchmark_return_pct == pytest.approx(report["Benchmark Return [%]"], rel=1e-9)
    assert figures.trades == report["Num. Trades"]


def test_the_strategy_as_it_is_stands_beside_its_cases():
    assert_same(whole().base, naive())
    assert whole().base.trades > 30


def test_costs_are_fees_and_slippage_times_two_to_four():
    assert [case.changed for case in cases(Check.COSTS)] == [
        {"fee_pct": 0.2, "slippage_pct": 0.1},
        {"fee_pct": 0.3, "slippage_pct": 0.15},
        {"fee_pct": 0.4, "slippage_pct": 0.2},
    ]
    for factor, case in zip((2, 3, 4), cases(Check.COSTS), strict=True):
        assert_same(case, naive(costs=factor))


def test_a_delay_has_entries_hear_of_the_signals_of_some_bars_before():
    for bars, case in zip((1, 2, 3), cases(Check.DELAY), strict=True):
        assert_same(case, naive(delay=bars))


def test_a_strategy_of_indicators_is_delayed_as_one_of_signals():
    rule = {"id": "sma", "params": {"window": 20}}
    parts = {"direction": "long-short", "let": {}, "check": ["delay"]}
    sides = {
        f"{side}_entry": {"rule": "sma", "side": side, "params": {"window": 20}} for side in ("long", "short")
    }
    one, other = check(signals=None, indicators=[rule], **parts), check(signals=sides, **parts)
    assert (one.base, [case.figures for case in one.cases]) == (other.base, [case.figures for case in other.cases])
    assert len({case.figures.total_return_pct for case in one.cases} | {one.base.total_return_pct}) == 4


def test_every_number_is_moved_by_a_tenth_to_both_sides():
    found = {case.name: case for case in cases(Check.PARAMETERS)}
    expected = {
        "mean.window 18 in place of 20": naive(window=18),
        "mean.window 22 in place of 20": naive(window=22),
        "sl_pct 0.45 in place of 0.5": naive(stop=0.45),
        "sl_pct 0.55 in place of 0.5": naive(stop=0.55),
    }
    assert found.keys() == expected.keys()
    for name, report in expected.items():
        assert_same(found[name], report)


def test_each_year_begins_flat_with_what_was_before_it_as_warm_up():
    first, second = cases(Check.YEARS)
    assert (first.name, second.name) == ("2024 alone", "2025 alone")
    assert_same(first, naive(end="2025-01-01"))
    assert_same(second, naive(start="2025-01-01"))


def test_a_later_start_leaves_out_the_first_day_and_no_more_than_a_quarter_of_the_range():
    (case,) = cases(Check.STARTS)
    assert_same(case, naive(start="2024-12-30T12:00:00Z"))
    assert "starts: 7, 30 days later would be more than a quarter of the range" in whole().notes


def test_the_worst_case_is_named_in_words_with_the_strategy_as_it_is():
    told, returns = whole(), [case.figures.total_return_pct for case in whole().cases]
    assert told.worst is not None
    assert returns[told.worst] == min(returns)
    assert told.summary[0].startswith(f"Worst of {len(returns)} cases: {told.cases[told.worst].name}")
    assert told.summary[0].endswith(f"as it is {told.base.total_return_pct:+,.2f} %.")
    assert len(told.summary) == 1 + len(Check)


def test_the_same_request_has_the_same_bytes():
    assert check().model_dump_json() == whole().model_dump_json()


def test_a_strategy_without_costs_is_tried_under_those_of_its_market():
    found = check(fee_pct=0, slippage_pct=0, check=["costs"])
    assert [case.changed["fee_pct"] for case in found.cases] == [0.075, 0.15, 0.225, 0.3]
    assert found.cases[0].name == "the market's fees and slippage × 1"


def test_what_cannot_be_tried_is_said():
    found = check(let={"mean": {"id": "sma", "params": {"window": 1}}}, fee_pct=20, check=["costs", "parameters"])
    assert any(note.startswith("parameters: let.mean.params.window 0 cannot be tried") for note in found.notes)
    assert any("fees and slippage × 3 cannot be tried" in note for note in found.notes)
    assert [case.changed["fee_pct"] for case in found.cases if case.check is Check.COSTS] == [40]


def test_checks_that_would_take_too_long_are_refused_before_they_are_made():
    short = Settings(environment="test")
    api = short.api.model_copy(update={"backtest_timeout_s": 1e-6})
    with pytest.raises(GuardExceeded, match=r"seconds .* is over the limit"):
        check(settings=short.model_copy(update={"api": api}))


def test_a_range_is_too_long_for_a_check_where_it_is_for_a_backtest():
    short = Settings(environment="test")
    guards = short.guards.model_copy(update={"max_compute_bytes": 1000})
    with pytest.raises(GuardExceeded, match="compute_bytes"):
        check(settings=short.model_copy(update={"guards": guards}))


def test_a_check_is_of_one_variant():
    with pytest.raises(InvalidInput, match="no variant 2"):
        check(variant_index=2)


def test_a_day_is_a_quarter_of_four():
    short = {"start": "2024-12-30T00:00:00Z", "end": "2025-01-03T00:00:00Z"}
    assert ms_of(short["end"]) - ms_of(short["start"]) == 4 * DAY_MS
    assert [case.name for case in check(time_range=short, check=["starts"]).cases] == ["start 1 day later"]
