"""A strategy: one content has one name and one hash, and every axis one value."""

from __future__ import annotations

import json
import random
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candleray.errors import InvalidInput
from candleray.hashes import canonical_json
from candleray.indicators.catalogue import get_catalogue
from candleray.indicators.request_models import get_request_models
from candleray.paging import PagePosition, cursor_of, position_of
from candleray.search.variants import VariantGrid, resolve
from candleray.settings import BacktestSettings
from candleray.strategies.saving import name_of, spec_of
from candleray.strategies.strategy import StrategySpec, request_of
from candleray.timeframes import TIMEFRAMES, TimeRange
from kernels.indicators import INDICATORS

DEFAULTS = BacktestSettings()
VARIANT: dict[str, Any] = {
    "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
    "timeframe": "1h",
    "time_range": {"start": "2025-01-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"},
    "indicators": [
        {"id": "sma", "params": {"window": 50}},
        {"id": "rsi", "signal": {"long_threshold": 40, "short_threshold": 60}},
    ],
    "risk": {"sl_pct": 2.5},
}


def spec(content: dict[str, Any], defaults: BacktestSettings = DEFAULTS) -> StrategySpec:
    return spec_of(get_request_models().validated_draft(content), defaults)


@st.composite
def variants(draw: st.DrawFn) -> dict[str, Any]:
    """Any strategy: values at random within the bounds of each parameter."""

    def value(kind: str, least: float, most: float) -> float:
        if kind == "int":
            return draw(st.integers(int(least), int(most)))
        return draw(st.floats(least, most, allow_nan=False).map(lambda number: round(number, 6)))

    def indicator(name: str) -> dict[str, Any]:
        info = get_catalogue().info(name)
        return {
            "id": name,
            "params": {one.name: value(one.kind, one.min, one.max) for one in info.params},
            "signal": {one.name: value(one.kind, one.min, one.max) for one in info.rule.params},
        }

    levels = st.floats(0.1, 99)
    free = sorted(name for name, one in INDICATORS.items() if one.constraint is None)
    names = draw(st.lists(st.sampled_from(free), min_size=1, max_size=4))
    return {
        "instrument": {
            "market_id": draw(st.integers(1, 4)),
            "symbol": draw(st.from_regex("[A-Z0-9]{2,32}", fullmatch=True)),
        },
        "timeframe": draw(st.sampled_from(TIMEFRAMES)),
        "indicators": [indicator(name) for name in names],
        "direction": draw(st.sampled_from(["long-only", "short-only", "long-short"])),
        "fee_pct": value("float", 0, 50),
        "risk": draw(st.fixed_dictionaries({}, optional={"sl_pct": levels, "tp_pct": levels})),
    }


def respelled(content: Any, chance: random.Random) -> Any:
    """The same content with its keys in another order and its whole numbers written otherwise."""
    if isinstance(content, dict):
        keys = list(content)
        chance.shuffle(keys)
        return {key: respelled(content[key], chance) for key in keys}
    if isinstance(content, list):
        return [respelled(one, chance) for one in content]
    if isinstance(content, int) and not isinstance(content, bool) and chance.random() < 0.5:
        return float(content)
    return content


@given(variants(), st.randoms(use_true_random=False))
def test_the_same_content_has_one_name_and_one_hash_in_any_order_and_spelling(content, chance):
    first = spec(content)
    again = respelled(content, chance)
    again["instrument"]["market_id"] = content["instrument"]["market_id"]
    chance.shuffle(again["indicators"])
    second = spec(json.loads(json.dumps(again)))
    assert (name_of(second), second.hash) == (name_of(first), first.hash)


@given(variants())
def test_a_spec_read_back_from_its_canonical_json_is_the_same(content):
    saved = spec(content)
    text = canonical_json(saved.model_dump(mode="json"))
    again = StrategySpec.model_validate_json(text)
    assert canonical_json(again.model_dump(mode="json")) == text
    assert (again.hash, name_of(again)) == (saved.hash, name_of(saved))
    assert spec(saved.model_dump(mode="json")) == saved


@given(variants(), variants())
def test_other_content_has_another_hash(one, other):
    first, second = spec(one), spec(other)
    assert (first.hash == second.hash) == (first == second)


def test_the_name_says_symbol_timeframe_and_indicators():
    saved = spec(VARIANT)
    assert name_of(saved) == f"BTCUSDT-1h-rsi14-sma50-{saved.hash[:8]}"
    without = spec({**VARIANT, "indicators": [{"id": "obv"}, {"id": "psar", "params": {"acceleration": 0.05}}]})
    assert name_of(without).startswith("BTCUSDT-1h-obv-psar0.05-")


def test_the_time_range_is_no_part_of_a_strategy():
    bare = {name: value for name, value in VARIANT.items() if name != "time_range"}
    assert spec(bare) == spec(VARIANT)
    assert not hasattr(spec(VARIANT), "time_range")


def test_a_default_that_changes_later_changes_no_strategy():
    saved = spec(VARIANT)
    assert (saved.fee_pct, saved.slippage_pct, saved.init_cash_quote) == (0.075, 0.01, 10_000)
    later = BacktestSettings(slippage_pct=1, init_cash_quote=7)
    assert spec(saved.model_dump(mode="json"), later) == saved


def sma(**parts: Any) -> dict[str, Any]:
    return {"indicators": [{"id": "sma", **parts}]}


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        (sma(params={"window": {"values": [5]}}), "indicators.0.params.window", "one value"),
        (sma(params={"window": {"start": 5, "stop": 9, "step": 1}}), "indicators.0.params.window", "one value"),
        (sma(inputs={"source": ["close"]}), "indicators.0.inputs.source", "one value"),
        ({"risk": {"sl_pct": {"values": [1, 2]}}}, "risk.sl_pct", "one value"),
        (sma(params={"windw": 5}), "indicators.0.params.windw", "did you mean 'window'?"),
        (sma(params={"window": 1}), "indicators.0.params.window", "outside 2 to"),
        ({"indicators": [{"id": "smaa"}]}, "indicators.0", "did you mean 'sma'?"),
        ({"indicators": [{"id": "macd", "params": {"fast": 30, "slow": 20}}]}, "indicators", "below slow"),
        ({"indicators": []}, "indicators", "at least 1"),
        ({"indicators": [{"id": "sma"}] * 9}, "indicators", "at most 8"),
        ({"indicatrs": []}, "indicatrs", "did you mean 'indicators'?"),
        ({"top_k": 5}, "top_k", "unknown field"),
        ({"spec_version": 2}, "spec_version", "should be 1"),
    ],
)
def test_what_is_no_single_strategy_is_refused_with_its_place(change, field, message):
    with pytest.raises(InvalidInput) as refused:
        spec({**VARIANT, **change})
    (problem,) = refused.value.problems
    assert problem.field == field
    assert message in problem.message


def test_a_request_of_a_spec_is_the_variant_it_was_saved_from():
    time_range = TimeRange.model_validate(VARIANT["time_range"])
    grid = VariantGrid(resolve(request_of(spec(VARIANT), time_range, {}), DEFAULTS))
    assert grid.size == 1
    assert spec(grid.strategy(0)) == spec(VARIANT)


def test_what_replaces_a_part_makes_a_grid_around_the_strategy():
    time_range = TimeRange.model_validate(VARIANT["time_range"])
    replaced = {"risk": {"sl_pct": {"values": [1, 2, 3]}}, "top_k": 2}
    request = request_of(spec(VARIANT), time_range, replaced)
    assert VariantGrid(resolve(request, DEFAULTS)).size == 3
    assert (request.top_k, request.indicators) == (2, spec(VARIANT).indicators)


@given(st.datetimes(), st.uuids())
def test_a_cursor_names_its_position_and_nothing_else_is_a_cursor(moment, entry_id):
    position = PagePosition(moment.replace(tzinfo=UTC), entry_id)
    assert position_of(cursor_of(position)) == position
    with pytest.raises(InvalidInput, match="not a cursor"):
        position_of(cursor_of(position)[:-1])


def test_a_cursor_out_of_the_calendar_is_refused():
    with pytest.raises(InvalidInput, match="not a cursor"):
        position_of("f" * 32)
