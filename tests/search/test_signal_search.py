"""Searches over signals: every variant against the oracle, and against itself taken out of the grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult
from candleray.errors import InvalidInput
from candleray.indicators.request_models import get_request_models
from candleray.search.signals.evaluator import Evaluator
from candleray.search.signals.things import ExpressionBuilder
from candleray.search.variants import VariantGrid, resolve
from candleray.settings import BacktestSettings
from kernels.bits import unpack
from kernels.indicators import INDICATORS
from tests.support.oracles import oracle
from tests.support.sample_search import CANDLES, WARMUP, numbers_of
from tests.support.searches import bars_over, search_over

LET = {
    "fast": {"id": "ema", "params": {"window": {"values": [5, 12]}}},
    "slow": {"id": "ema", "params": {"window": {"values": [9, 40]}}},
    "trend": {"id": "sma", "timeframe": "15m", "params": {"window": 5}},
}
SIGNALS = {
    "long_entry": {
        "all": [
            {"cross_above": ["fast", "slow"]},
            {"below": [{"id": "adx"}, {"values": [20, 35]}]},
            {"above": [{"price": "close"}, "trend"]},
        ]
    },
    "long_exit": {"any": [{"cross_below": ["fast", "slow"]}, {"rule": "rsi", "side": "short"}]},
    "short_entry": {"held_for": [{"below": ["fast", "slow"]}, {"values": [2, 10]}]},
}


def resolved(**changes: Any) -> BacktestRequest:
    content = {
        "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
        "timeframe": "1m",
        "time_range": {"start": "2025-01-01T05:00:00Z", "end": "2025-01-03T12:00:00Z"},
        "let": LET,
        "signals": SIGNALS,
        "where": [["fast.window", "<", "slow.window"]],
        "top_k": 100,
        "trades_for": 100,
        **changes,
    }
    return resolve(get_request_models().validated_request(content), BacktestSettings())


def run(**changes: Any) -> BacktestResult:
    return search_over(CANDLES, resolved(**changes), WARMUP)


def oracle_return(strategy: dict[str, Any]) -> oracle.Run:
    """One variant by its planes and the per-bar simulator."""
    request = resolve(BacktestRequest.model_validate(strategy), BacktestSettings())
    bars = bars_over(CANDLES, request, WARMUP)
    evaluator = Evaluator(bars, WARMUP)
    signals = ExpressionBuilder(request).signals
    held = {name: unpack(evaluator.plane(signal), bars.count)[0] for name, signal in signals.items()}
    none = np.zeros(bars.count, bool)
    exits = {side: held[name] for side, name in ((1, "long_exit"), (-1, "short_exit")) if name in held}
    rules = oracle.Rules(
        direction=request.direction.value,
        exit_on=request.exit_on.value,
        fee_pct=request.fee_pct or 0.0,
        slippage_pct=request.slippage_pct or 0.0,
        sl_pct=request.risk.sl_pct,
        tp_pct=request.risk.tp_pct,
    )
    longs, shorts = held.get("long_entry", none), held.get("short_entry", none)
    return oracle.simulate([longs], [shorts], bars.close.tolist(), rules, exits)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"direction": "long-only"},
        {"exit_on": "neutral"},
        {"risk": {"sl_pct": {"values": [0.3, 1]}, "tp_pct": 0.5}},
        {"signals": {name: SIGNALS[name] for name in ("long_entry", "short_entry")}},
        {"risk": {"sl_pct": {"values": [0.3, 1]}}, "direction": "short-only"},
    ],
    ids=["exits", "long-only", "neutral", "stops", "no exits", "short-only"],
)
def test_every_variant_equals_the_oracle(changes: dict[str, Any]):
    result = run(**changes)
    assert len(result.top) == result.variants_total > 1
    assert sum(len(variant.trades or ()) for variant in result.top)
    for variant in result.top:
        expected = oracle_return(dict(variant.strategy))
        assert variant.total_return_pct == pytest.approx(expected.total_return_pct, rel=1e-12, abs=1e-12)
        assert variant.conflicting_signals == expected.conflicts
        assert [trade.exit_reason for trade in variant.trades or ()] == [
            one.exit_reason for one in expected.trades
        ]


def test_a_variant_alone_gives_the_numbers_of_the_grid():
    for variant in run(risk={"sl_pct": {"values": [0.3, 1]}}).top:
        alone = search_over(
            CANDLES,
            resolve(
                get_request_models().validated_request({**variant.strategy, "trades_for": 1}), BacktestSettings()
            ),
            WARMUP,
        )
        assert alone.variants_total == 1
        only = alone.top[0]
        assert (only.total_return_pct, only.trades, only.metrics) == (
            variant.total_return_pct,
            variant.trades,
            variant.metrics,
        )


def test_constraints_leave_numbers_out():
    windows = [
        tuple(variant.strategy["let"][name]["params"]["window"] for name in ("fast", "slow"))  # type: ignore[index]
        for variant in run().top
    ]
    assert set(windows) == {(5, 9), (5, 40), (12, 40)}


def test_the_same_request_gives_the_same_bytes():
    assert numbers_of(run()) == numbers_of(run())


def test_a_name_that_no_signal_reads_makes_no_variants_and_is_told():
    idle = {**LET, "idle": {"id": "rsi", "params": {"window": {"values": [7, 14, 21]}}}}
    result = run(let=idle)
    assert result.variants_total == run().variants_total
    assert "let.idle: no signal reads it, so it makes no variants" in result.notes


def test_an_indicator_that_stands_twice_is_told_what_it_means():
    twice = [{"id": "ema", "params": {"window": window}} for window in (5, 40)]
    result = run(let={}, where=[], signals=None, indicators=twice)
    assert result.notes == (
        "ema stands 2 times: all of them must say long, or all short: the close above both, or below both; "
        'that one crosses the other is said by signals: {"cross_above": ["fast", "slow"]}',
    )


def test_the_table_names_the_parameters():
    columns = run().to_arrow().column_names
    assert {"fast.window", "slow.window", "long_entry.all.1.below.1", "short_entry.held_for.1"} <= set(columns)


@pytest.mark.parametrize("indicator_id", [name for name, one in INDICATORS.items() if one.params])
def test_any_parameter_of_an_operand_may_be_an_axis(indicator_id: str):
    indicator = INDICATORS[indicator_id]
    name, param = next(iter(indicator.params.items()))
    another = param.default + 1 if param.default >= 1 else param.default * 1.5
    operand = {"id": indicator_id, "params": {name: {"values": [param.default, another]}}}
    if len(indicator.outputs) > 1:
        operand["output"] = indicator.outputs[0]
    signals = {"long_entry": {"above": [operand, 0]}}
    numbering = VariantGrid(resolved(let={}, where=[], signals=signals, direction="long-only")).numbering
    (thing,) = numbering.things
    assert numbering.lookback_bars == max(thing.at(digit).lookback_bars for digit in range(thing.size))


def test_a_condition_that_needs_more_bars_than_there_are_is_named_in_words():
    condition = {"above": [{"id": "sma", "params": {"window": {"values": [20, 20_000]}}}, 1]}
    result = run(let={}, where=[], signals={"long_entry": {"all": [condition]}}, direction="long-only")
    (note,) = (note for note in result.notes if "never give a signal" in note)
    assert note.startswith("signals.long_entry.all.0, SMA(20 or 20000) is above 1: 1 of its 2 variants never give")


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ([["fast.window", "<", 5]], "fast.window < 5 leaves no combination"),
        (
            [["slow.window", ">", 3], ["fast.window", ">", "slow.window"], ["fast.window", "<", 25]],
            "fast.window > slow.window and fast.window < 25 together leave no combination",
        ),
    ],
)
def test_the_constraints_that_leave_nothing_are_named_and_no_others(where: list[Any], told: str):
    let = {
        name: {"id": "ema", "params": {"window": {"values": windows}}}
        for name, windows in (("fast", [10, 20, 40]), ("slow", [30, 60]))
    }
    signals = {"long_entry": {"above": ["fast", "slow"]}}
    with pytest.raises(InvalidInput) as caught:
        VariantGrid(resolved(let=let, where=where, signals=signals, direction="long-only"))
    assert [problem.message for problem in caught.value.problems] == [told]


@pytest.mark.parametrize(
    "condition",
    [
        {"within_last": [{"above": [{"price": "close"}, 1]}, 5000]},
        {"not": {"held_for": [{"above": [{"price": "close"}, 1e6]}, 5000]}},
        {"not": {"rising": [{"price": "close"}, 5000]}},
    ],
)
def test_what_one_bar_settles_is_not_said_to_need_thousands(condition: dict[str, Any]):
    result = run(let={}, where=[], signals={"long_entry": condition}, direction="long-only")
    assert result.top[0].metrics["Num. Trades"] == 1
    assert not [note for note in result.notes if "never give a signal" in note]
