"""Saved strategies whose signals are conditions: one name and hash for one content, single values, clones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from candleray.errors import InvalidInput
from candleray.indicators.request_models import get_request_models
from candleray.live.starting.warm_up import live_warmup_bars
from candleray.search.variants import resolve
from candleray.settings import BacktestSettings
from candleray.strategies.saving import name_of, spec_of, variant_content
from candleray.strategies.strategy import StrategySpec, changed

DRAFT: dict[str, Any] = {
    "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
    "timeframe": "1h",
    "let": {"fast": {"id": "ema", "params": {"window": 12}}, "slow": {"id": "ema", "params": {"window": 26}}},
    "signals": {
        "long_entry": {"all": [{"cross_above": ["fast", "slow"]}, {"not": {"above": [{"id": "adx"}, 20]}}]},
        "long_exit": {"cross_below": ["fast", "slow"]},
    },
}


def spec(**changes: Any) -> StrategySpec:
    return spec_of(get_request_models().validated_draft({**DRAFT, **changes}), BacktestSettings())


def test_the_name_says_the_indicators_and_is_the_same_in_any_order_of_keys():
    mirrored = {"let": dict(reversed(DRAFT["let"].items())), "signals": dict(reversed(DRAFT["signals"].items()))}
    assert name_of(spec()).startswith("BTCUSDT-1h-ema12-ema26-adx14-")
    assert name_of(spec(**mirrored)) == name_of(spec())


CLOSE: dict[str, Any] = {"price": "close"}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"risk": {"sl_pct": 1.5, "tp_pct": 3}}, "BTCUSDT-1h-ema12-ema26-adx14-sl1.5-tp3-"),
        (
            {"let": {}, "signals": {"long_entry": {"above": [{"id": "rsi", "timeframe": "1d"}, {"id": "rsi"}]}}},
            "BTCUSDT-1h-rsi14_1d-rsi14-",
        ),
        (
            {
                "let": {"strong": {"id": "rsi", "instrument": {"market_id": 1, "symbol": "ETHUSDT"}}},
                "signals": {"long_entry": {"all": [{"above": ["strong", 50]}, {"below": ["strong", 80]}]}},
            },
            "BTCUSDT-1h-rsi14_ETHUSDT-",
        ),
        (
            {
                "let": {},
                "signals": {"long_entry": {"all": [{"rising": [CLOSE, 3]}, {"above": [{"time": "hour"}, 8]}]}},
            },
            "BTCUSDT-1h-close-hour-",
        ),
        (
            {
                "let": {f"n{at}": {"id": "sma", "params": {"window": 10 + at}} for at in range(11)},
                "signals": {"long_entry": {"above": ["n0", "n1"]}},
            },
            "BTCUSDT-1h-sma10-sma11-sma20-sma12-sma13-sma14-sma15-sma16-3more-",
        ),
    ],
)
def test_the_name_of_signals_says_timeframes_instruments_and_stops(changes: dict[str, Any], name: str):
    saved = spec(**changes)
    assert name_of(saved) == f"{name}{saved.hash[:8]}"


@pytest.mark.parametrize(
    ("signals", "direction", "traded"),
    [
        ({"long_entry": {"rising": [CLOSE, 3]}}, "long-short", "long-only"),
        ({"short_entry": {"rising": [CLOSE, 3]}}, "long-short", "short-only"),
        (
            {"long_entry": {"rising": [CLOSE, 3]}, "short_entry": {"falling": [CLOSE, 3]}},
            "long-short",
            "long-short",
        ),
        ({"long_entry": {"rising": [CLOSE, 3]}, "short_entry": {"falling": [CLOSE, 3]}}, "long-only", "long-only"),
    ],
)
def test_the_direction_traded_is_that_of_the_entries_that_there_are(signals: Any, direction: str, traded: str):
    assert spec(let={}, signals=signals, direction=direction).traded_direction == traded


def test_a_saved_strategy_comes_back_from_its_json():
    saved = spec()
    assert StrategySpec.model_validate_json(saved.model_dump_json()) == saved
    assert StrategySpec.model_validate_json(saved.model_dump_json()).hash == saved.hash


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        (
            {"let": {**DRAFT["let"], "fast": {"id": "ema", "params": {"window": {"values": [5, 12]}}}}},
            "let.fast.params.window",
        ),
        (
            {"signals": {"long_entry": {"held_for": [{"above": ["fast", "slow"]}, {"values": [1, 2]}]}}},
            "signals.long_entry.held_for.1",
        ),
    ],
)
def test_a_strategy_has_one_value_everywhere(changes: dict[str, Any], place: str):
    with pytest.raises(InvalidInput) as caught:
        spec(**changes)
    assert place in {problem.field for problem in caught.value.problems}


def test_a_change_of_conditions_is_another_strategy():
    other = changed(spec(), {"signals": {"long_entry": {"above": ["fast", "slow"]}}})
    clone = spec_of(get_request_models().validated_draft(other), BacktestSettings())
    assert clone.hash != spec().hash
    assert clone.let == spec().let


def test_a_let_that_lacks_what_the_signals_read_is_told_what_to_add():
    fast = {"id": "ema", "params": {"window": 5}}
    with pytest.raises(InvalidInput) as caught:
        changed(spec(), {"let": {"fast": fast}})
    (problem,) = caught.value.problems
    assert problem.field == "let"
    assert problem.message.startswith("let replaces all names of the strategy, and its signals read more: add ")
    missing = json.loads("{" + problem.message.partition(": add ")[2] + "}")
    whole = changed(spec(), {"let": {"fast": fast, **missing}})
    clone = spec_of(get_request_models().validated_draft(whole), BacktestSettings())
    assert (clone.let["fast"].params["window"], clone.let["slow"]) == (5, spec().let["slow"])


def test_indicators_take_the_place_of_signals_and_the_other_way_round():
    listed = changed(spec(), {"indicators": [{"id": "rsi"}]})
    first = spec_of(get_request_models().validated_draft(listed), BacktestSettings())
    assert first.signals is None
    said = changed(first, {"signals": DRAFT["signals"], "let": DRAFT["let"]})
    assert spec_of(get_request_models().validated_draft(said), BacktestSettings()).hash == spec().hash


def test_a_variant_of_a_search_is_saved_as_it_is():
    windows = {**DRAFT["let"], "fast": {"id": "ema", "params": {"window": {"values": [5, 12]}}}}
    asked = {**DRAFT, "let": windows, "time_range": {"start": "2025-01-01", "end": "2025-02-01"}}
    request = resolve(get_request_models().validated_request(asked), BacktestSettings())
    draft = get_request_models().validated_draft(variant_content(request, 1))
    assert spec_of(draft, BacktestSettings()).hash == spec().hash


def test_a_run_is_warmed_up_by_the_indicators_that_signals_name():
    assert live_warmup_bars(spec()) == 26
    assert live_warmup_bars(spec(let={}, signals={"long_entry": {"rising": [{"price": "close"}, 3]}})) == 1
