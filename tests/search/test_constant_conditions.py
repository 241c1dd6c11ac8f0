"""Notes on conditions that are the same on every bar, and on combinations that stand in a grid twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from candleray.indicators.request_models import get_request_models
from candleray.search.signals.constant_conditions import MAX_LOOKS
from candleray.search.variants import resolve
from candleray.settings import BacktestSettings
from tests.support.sample_search import CANDLES, WARMUP
from tests.support.searches import search_over

CLOSE = {"price": "close"}
FAST = {"id": "ema", "params": {"window": {"values": [5, 12]}}}
SLOW = {"id": "ema", "params": {"window": {"values": [9, 40]}}}
CROSS = {"cross_above": ["fast", "slow"]}
NEVER = {"above": [CLOSE, {"values": [1e6, 2e6]}]}
MIDDLE = float(np.median(CANDLES.column("close")[300:]))
ALWAYS = {"above": [CLOSE, {"values": [1, 2]}]}


def notes(**changes: Any) -> tuple[str, ...]:
    content = {
        "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
        "timeframe": "1m",
        "time_range": {"start": "2025-01-01T05:00:00Z", "end": "2025-01-03T12:00:00Z"},
        "let": {"fast": FAST, "slow": SLOW},
        "direction": "long-only",
        "top_k": 1,
        **changes,
    }
    asked = resolve(get_request_models().validated_request(content), BacktestSettings())
    return search_over(CANDLES, asked, WARMUP).notes


def entry(condition: Any, **changes: Any) -> tuple[str, ...]:
    return notes(signals={"long_entry": condition}, **changes)


def test_a_condition_that_is_never_true_is_told_with_its_path_and_words_and_the_entry_that_needs_it():
    assert entry({"all": [CROSS, NEVER]}) == (
        "signals.long_entry.all.1, the close is above (1000000 or 2000000): true on no bar of the range, in any "
        "variant",
        "signals.long_entry, EMA(5 or 12) crosses above EMA(9 or 40) and the close is above (1000000 or 2000000): "
        "true on no bar of the range, in any variant",
    )


def test_a_condition_that_is_always_true_is_told():
    assert entry({"all": [CROSS, ALWAYS]}) == (
        "signals.long_entry.all.1, the close is above (1 or 2): true on every bar of the range, in any variant",
    )


def test_one_that_is_true_on_some_bars_of_some_variant_is_not():
    some = {"above": [CLOSE, {"values": [MIDDLE, 1e6]}]}
    assert entry({"all": [CROSS, some]}) == ()


def test_a_strategy_has_no_other_variants_to_speak_of():
    lone = {"fast": {"id": "ema", "params": {"window": 5}}, "slow": {"id": "ema", "params": {"window": 9}}}
    found = entry({"any": [CROSS, {"above": [CLOSE, 1e6]}]}, let=lone)
    assert found == ("signals.long_entry.any.1, the close is above 1000000: true on no bar of the range",)


def test_what_is_within_another_is_told_once():
    assert [note.partition(",")[0] for note in entry({"any": [CROSS, {"all": [{"not": ALWAYS}, CROSS]}]})] == [
        "signals.long_entry.any.1.all.0"
    ]


def test_conditions_that_are_never_true_together_are_told_as_one():
    both = {"all": [{"above": [CLOSE, "slow"]}, {"below": [CLOSE, "slow"]}]}
    assert [note.partition(",")[0] for note in entry({"any": [CROSS, both]})] == ["signals.long_entry.any.1"]


def test_of_very_many_combinations_what_all_allow_decides():
    many = {"start": 1e6, "stop": 1e6 + MAX_LOOKS + 5, "step": 1}
    parts = {"all": [{"above": [CLOSE, many]}, {"above": [{"price": "high"}, many]}, CROSS]}
    assert [note.partition(",")[0] for note in entry(parts)] == [
        "signals.long_entry.all.1",
        "signals.long_entry.all.0",
        "signals.long_entry",
    ]


def test_a_rare_value_that_is_not_looked_at_by_itself_keeps_a_condition_from_being_told():
    rare = {"values": [*(at - 1e4 for at in range(3 * MAX_LOOKS + 1)), MIDDLE]}
    assert entry({"all": [{"below": [CLOSE, rare]}, CROSS]}) == ()


def test_rules_of_indicators_are_told_for_the_sides_that_may_open():
    rsi = {"id": "rsi", "signal": {"long_threshold": 0, "short_threshold": 100}}
    found = notes(let={}, indicators=[rsi, {"id": "sma"}])
    assert found == (
        "indicators.0, RSI(14) says long (long threshold 0, short threshold 100): true on no bar of the range",
    )


MIRRORED = (
    "fast and slow take the same 2 values: two combinations with these swapped mirror each other, and 2 have the "
    'same value in both; "where": [["fast.window", "<", "slow.window"]] keeps one of them'
)


@pytest.mark.parametrize(
    ("condition", "changes", "told"),
    [
        (CROSS, {}, (MIRRORED,)),
        (CROSS, {"where": [["fast.window", "<", "slow.window"]]}, ()),
        (CROSS, {"let": {"fast": FAST, "slow": SLOW}}, ()),
        (
            {"all": [{"above": [CLOSE, "fast"]}, {"above": [CLOSE, "slow"]}]},
            {},
            (MIRRORED.replace("mirror each other", "give the same strategy"),),
        ),
        ({"all": [{"above": [CLOSE, "fast"]}, {"below": [CLOSE, "slow"]}]}, {}, ()),
        (
            {"cross_below": [FAST, FAST]},
            {"let": {}},
            (
                "signals.long_entry.cross_below.0 and signals.long_entry.cross_below.1 take the same 2 values: "
                "two combinations with these swapped mirror each other, and 2 have the same value in both; "
                'named in let, one of them can be kept by "where": [["a.window", "<", "b.window"]]',
            ),
        ),
    ],
    ids=["cross", "tied", "other values", "the same strategy", "neither", "in place"],
)
def test_combinations_that_stand_twice_are_told(condition: Any, changes: dict[str, Any], told: tuple[str, ...]):
    assert entry(condition, **{"let": {"fast": FAST, "slow": FAST}, **changes}) == told


def test_an_indicator_that_stands_twice_with_the_same_values_is_told():
    assert notes(let={}, indicators=[FAST, FAST])[1:] == (
        "ema stands 2 times with the same 2 values: combinations with these swapped are the same strategy",
    )
