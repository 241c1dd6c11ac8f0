"""Sizes that are measured by risk: what a request may say of them, and where they are said."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from candleray.backtests.parameters import varied
from candleray.backtests.sentences import sentences
from candleray.errors import InvalidInput
from candleray.live.starting.start_checks import require_runnable
from candleray.search.bars import warmup_bars
from candleray.search.costs import with_levels
from candleray.search.robustness.parameter_steps import ParameterStep, steps_of
from candleray.search.variants import VariantGrid
from candleray.settings import BacktestSettings
from candleray.strategies.saving import name_of, spec_of
from candleray.strategies.strategy import StrategyDraft
from tests.support.sample_search import by_hand, resolved, run

RISKED = {"mode": "risk_per_trade", "risk_pct": {"values": [1, 2]}, "max_leverage": 3}
TARGETED = {"mode": "volatility_target", "target_pct": {"start": 1, "stop": 3, "step": 1}, "window": 300}
STOPPED = {"sl_pct": {"values": [2, 4]}}


def draft_of(grid: VariantGrid, index: int) -> StrategyDraft:
    return StrategyDraft.model_validate(grid.strategy(index))


def test_a_size_is_the_fastest_digit_of_a_variant():
    grid = VariantGrid(resolved(sizing=RISKED, risk=STOPPED))
    assert grid.size == grid.radix.size * 4
    told = [(grid.risk(index)["sl_pct"], grid.sizing(index)["risk_pct"]) for index in range(5)]
    assert told == [(2, 1), (2, 2), (4, 1), (4, 2), (2, 1)]
    assert varied(grid.request)[-2:] == ["sl_pct", "risk_pct"]


def test_a_strategy_has_one_size():
    grid = VariantGrid(resolved(sizing=RISKED, risk=STOPPED))
    assert spec_of(draft_of(grid, 3), BacktestSettings()).sizing.model_dump() == {**RISKED, "risk_pct": 2}
    with pytest.raises(ValidationError, match=r"(?s)sizing.risk_pct.*one value here, not an axis"):
        StrategyDraft.model_validate({**grid.strategy(3), "sizing": RISKED})


def test_a_stop_out_loses_exactly_the_risk_costs_included():
    # 1,000 at 1 % may lose 10. From 100 to 95 each coin loses 5, and 0.1 + 0.095 in fees: 10 / 5.195 coins.
    sizing = {"mode": "risk_per_trade", "risk_pct": 1}
    answer = by_hand([90, 100, 95, 95], sizing=sizing, risk={"sl_pct": 5}, fee_pct=0.1, slippage_pct=0)
    trade = (answer.top[0].trades or ())[0]
    assert (trade.exit_reason, trade.quantity) == ("stop_loss", pytest.approx(10 / 5.195, rel=1e-12))
    assert trade.pnl_quote == pytest.approx(-10, rel=1e-12)


def test_a_near_stop_loss_is_bounded_by_the_leverage():
    asked = {"risk": {"sl_pct": 0.5}, "fee_pct": 0.1, "slippage_pct": 0}
    for leverage, notional in ((1, 1000 / 1.001), (2, 2000 / 1.002), (10, 1000 * 0.05 / 0.006995)):
        sizing = {"mode": "risk_per_trade", "risk_pct": 5, "max_leverage": leverage}
        trades = by_hand([90, 100, 101, 101], sizing=sizing, **asked).top[0].trades or ()
        assert trades[0].entry_notional_quote == pytest.approx(notional, rel=1e-12)


@pytest.mark.parametrize(
    ("sizing", "message"),
    [
        ({"mode": "risk_per_trade", "risk_pct": 0}, "at least 0.0001 and below 100 percent, got 0"),
        (
            {"mode": "risk_per_trade", "risk_pct": {"values": [1, 100]}},
            "below 100 percent, got 100",
        ),
        ({"mode": "risk_per_trade", "risk_pct": 1, "max_leverage": 126}, "max_leverage.*125"),
        ({"mode": "risk_per_trade", "risk_pct": 1, "max_leverage": 0}, "max_leverage.*0.01"),
        ({"mode": "risk_per_trade"}, "risk_pct"),
        ({"mode": "volatility_target", "target_pct": 2, "window": 1}, "window.*2"),
        ({"mode": "volatility_target", "target_pct": -1}, "at least 0.0001 and at most 100 percent, got -1"),
    ],
)
def test_what_is_out_of_bounds_is_refused_with_the_bound(sizing: dict[str, Any], message: str):
    with pytest.raises(InvalidInput, match=message):
        resolved(sizing=sizing, risk={"sl_pct": 2})


@pytest.mark.parametrize("risk", [{}, {"tp_pct": 3}, {"trail_pct": 2}])
def test_a_risk_per_trade_without_a_stop_loss_is_refused(risk: dict[str, Any]):
    message = "risk_per_trade sizes by what a stop-loss loses, and risk has none: give risk.sl_pct or risk.sl_atr"
    with pytest.raises(InvalidInput, match=message):
        resolved(sizing={"mode": "risk_per_trade", "risk_pct": 1}, risk=risk)


def test_an_axis_of_sizes_or_levels_has_a_bound_as_any_other():
    steps = {"start": 0.0001, "stop": 100, "step": 0.0001}
    with pytest.raises(InvalidInput, match="1000000 values on one axis, at most 100000"):
        resolved(sizing={"mode": "volatility_target", "target_pct": steps})
    with pytest.raises(InvalidInput, match="200000 values on one axis, at most 100000"):
        resolved(risk={"max_bars": {"start": 1, "stop": 200_000, "step": 1}})


def test_a_cost_is_measured_of_one_size():
    whole, one = (
        VariantGrid(resolved(sizing={**RISKED, "risk_pct": sizes}, risk=STOPPED))
        for sizes in ({"start": 1, "stop": 50, "step": 0.001}, 1)
    )
    assert with_levels(whole, (4, 2)).combinations.size == with_levels(one, (4, 2)).combinations.size == 2


def test_a_volatility_that_is_never_known_is_told():
    hours = {"timeframe": "1h", "time_range": {"start": "2025-01-01", "end": "2025-01-03"}}
    answer = run(sizing={**TARGETED, "window": 500}, indicators=[{"id": "sma", "params": {"window": 5}}], **hours)
    assert answer.notes[-1] == (
        "sizing.window: no position opens on the first 48 of 48 bars, which have too few candles before them"
    )


def test_a_volatility_is_read_over_a_history_of_the_strategy_s_own():
    assert warmup_bars(VariantGrid(resolved(sizing=TARGETED)), 50) == 300


def test_no_position_opens_before_the_volatility_is_known():
    start = {"start": "2025-01-01T00:00:00Z", "end": "2025-01-02T00:00:00Z"}
    sized = run(sizing={**TARGETED, "window": 200}, time_range=start)
    first = min(one.entry_time for variant in sized.top for one in variant.trades or ())
    assert first >= "2025-01-01T03:20:00Z"


def test_sizes_are_said_in_words_and_in_a_name():
    assert sentences(resolved(sizing=RISKED, risk=STOPPED))[-1] == (
        "An entry that its stop-loss ends loses 1 or 2 % of what is available, costs included; its notional is at "
        "most 3 times that."
    )
    assert sentences(resolved(sizing=TARGETED))[-1] == (
        "An entry moves what is available by 1 to 3 by 1 % a day, by the volatility of the last 300 bars, "
        "as far as it is enough."
    )
    close = {"price": "close"}
    signals = {"long_entry": {"cross_above": [close, "slow"]}}
    content = resolved(
        indicators=None,
        let={"slow": {"id": "sma", "params": {"window": 20}}},
        signals=signals,
        sizing={**RISKED, "risk_pct": 1.5},
        risk={"sl_pct": 2},
    )
    name = name_of(spec_of(draft_of(VariantGrid(content), 0), BacktestSettings()))
    assert "-sl2-risk1.5-" in name


def test_a_step_of_a_size_is_a_tenth():
    strategy = VariantGrid(resolved(sizing=TARGETED)).strategy(1)
    steps = [one for one in steps_of(strategy) if isinstance(one, ParameterStep) and one.place[0] == "sizing"]
    assert [(one.place[1], one.value, one.step) for one in steps] == [("target_pct", 2, 0.2), ("window", 300, 30)]


def test_a_live_run_refuses_a_size_that_its_account_does_not_know():
    spec = spec_of(draft_of(VariantGrid(resolved(sizing=TARGETED)), 0), BacktestSettings())
    with pytest.raises(InvalidInput, match="knows no sizing volatility_target yet: run a copy with all_in"):
        require_runnable(spec)
