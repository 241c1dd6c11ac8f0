"""Signals as requests: what is said, and what is refused with its place and the nearest name."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from candleray.errors import InvalidInput
from candleray.indicators.request_models import get_request_models

LET = {
    "fast": {"id": "ema", "params": {"window": {"start": 10, "stop": 50, "step": 5}}},
    "slow": {"id": "ema", "params": {"window": {"values": [100, 200]}}},
    "trend": {"id": "sma", "timeframe": "1d", "params": {"window": 200}},
    "day": {"price": "close", "timeframe": "1d"},
    "btc": {"id": "rsi", "instrument": {"market_id": 1, "symbol": "BTCUSDT"}},
    "band": {"plus": ["slow", {"times": [{"id": "atr"}, {"values": [1.5, 2, 3]}]}]},
}
CROSS = {"cross_above": ["fast", "slow"]}
ENTRY = {"all": [CROSS, {"below": [{"id": "adx"}, 20]}, {"not": {"above": ["day", "trend"]}}]}


def content(**changes: Any) -> dict[str, Any]:
    return {
        "instrument": {"market_id": 1, "symbol": "ETHUSDT"},
        "timeframe": "1h",
        "time_range": {"start": "2025-01-01", "end": "2025-02-01"},
        "let": LET,
        "signals": {"long_entry": ENTRY, "long_exit": {"cross_below": ["fast", "slow"]}},
        **changes,
    }


def refused(**changes: Any) -> set[tuple[str, str]]:
    """The places and messages of what is wrong."""
    with pytest.raises(InvalidInput) as caught:
        get_request_models().validated_request(content(**changes))
    return {(problem.field, problem.message) for problem in caught.value.problems}


def entry(condition: Any) -> dict[str, Any]:
    return {"signals": {"long_entry": condition}}


def test_a_request_comes_back_as_it_was_said():
    asked = get_request_models().validated_request(content())
    said = asked.model_dump(mode="json", exclude_unset=True)
    assert said["let"] == LET
    assert said["signals"]["long_entry"] == ENTRY
    assert get_request_models().validated_request(asked.model_dump(mode="json")) == asked


@pytest.mark.parametrize(
    ("changes", "place", "message"),
    [
        (
            entry({"abov": ["fast", "slow"]}),
            "signals.long_entry",
            "unknown condition 'abov'; did you mean 'above'?",
        ),
        (
            entry({"any": [{"above": ["fst", 1]}]}),
            "signals.long_entry.any.0.above.0",
            "unknown name 'fst'; did you mean 'fast'?",
        ),
        (
            entry({"above": ["fast"]}),
            "signals.long_entry.above",
            'is written {"above": [a, b]}, not with one part',
        ),
        (
            entry({"above": ["fast", 1, 2]}),
            "signals.long_entry.above",
            'is written {"above": [a, b]}, not with 3 parts',
        ),
        (
            entry({"held_for": {"condition": ENTRY, "bars": 3}}),
            "signals.long_entry.held_for",
            'is written {"held_for": [condition, bars]}, as a list',
        ),
        (
            entry({"any": []}),
            "signals.long_entry.any",
            'is written {"any": [1 to 16 conditions]}, not with 0 parts',
        ),
        (
            entry({"above": [{"times": ["fast"]}, 1]}),
            "signals.long_entry.above.0.times",
            'is written {"times": [2 to 4 operands]}, not with one part',
        ),
        (
            entry({"hour": [8, 16]}),
            "signals.long_entry",
            'unknown condition \'hour\'; a time is written {"time": "hour"}, and stands within a condition',
        ),
        (
            entry({"above": [{"ago": ["fast", 1]}, 1]}),
            "signals.long_entry.above.0",
            'unknown operand \'ago\'; the value of the bar before is written {"price": "close", "shift": 1}',
        ),
        (
            entry({"above": [{"id": "ema", "window": 20}, 1]}),
            "signals.long_entry.above.0.window",
            'unknown field \'window\'; parameters belong into params: "params": {"window": 20}',
        ),
        (
            entry({"above": [{"id": "ema", "source": "hlc3"}, 1]}),
            "signals.long_entry.above.0.source",
            'unknown field \'source\'; inputs belong into inputs: "inputs": {"source": "hlc3"}',
        ),
        (
            entry({"rule": "rsi", "side": "long", "long_threshold": 30}),
            "signals.long_entry.long_threshold",
            "unknown field 'long_threshold'; parameters belong into params: "
            '"params": {"long_threshold": 30}, levels of its rule into signal',
        ),
        (
            entry({"above": ["fast", 1], "timeframe": "1d"}),
            "signals.long_entry.timeframe",
            'unknown field \'timeframe\'; it belongs into an operand: {"id": …, "timeframe": "1d"}',
        ),
        (
            entry({"above": [{"id": "ema", "sl_pct": 3}, 1]}),
            "signals.long_entry.above.0.sl_pct",
            'unknown field \'sl_pct\'; it belongs into risk: "risk": {"sl_pct": 3}',
        ),
        (
            {"signals": {"long_entry": CROSS, "direction": "long-only"}},
            "signals.direction",
            "unknown field 'direction'; it belongs beside signals, not into it",
        ),
        (
            entry({"above": ["close", 1]}),
            "signals.long_entry.above.0",
            'unknown name \'close\'; a price is written {"price": "close"}',
        ),
        (
            {"let": {"start": "hour"}},
            "let.start",
            'unknown name \'hour\'; a time is written {"time": "hour"}',
        ),
        (
            entry({"above": ["20", 1]}),
            "signals.long_entry.above.0",
            "unknown name '20'; a number is written without quotes: 20",
        ),
        (
            entry({"above": ["104250.55", 1]}),
            "signals.long_entry.above.0",
            "unknown name '104250.55'; a number is written without quotes: 104250.55",
        ),
        (
            entry({"above": [" 1234567", 1]}),
            "signals.long_entry.above.0",
            "unknown name ' 1234567'; a number is written without quotes: 1234567",
        ),
        (
            {"let": {}, **entry({"above": ["nan", 1]})},
            "signals.long_entry.above.0",
            'unknown name \'nan\'; an indicator is written {"id": "nan", "params": {…}}',
        ),
        (
            {"let": {}, **entry({"above": ["1e999", 1]})},
            "signals.long_entry.above.0",
            'unknown name \'1e999\'; an indicator is written {"id": "ema", "params": {…}}',
        ),
        (
            {"let": {}, **entry({"above": ["adx(14)", 1]})},
            "signals.long_entry.above.0",
            'unknown name \'adx(14)\'; an indicator is written {"id": "adx", "params": {…}}',
        ),
        (
            entry({"above": [{"ema": 20}, 1]}),
            "signals.long_entry.above.0",
            'unknown operand \'ema\'; an indicator is written {"id": "ema", "params": {…}}',
        ),
        (
            entry({"above": [{"id": "close"}, 1]}),
            "signals.long_entry.above.0.id",
            'unknown indicator \'close\'; a price is written {"price": "close"}',
        ),
        (
            entry({"all": [{"id": "adx"}]}),
            "signals.long_entry.all.0",
            '\'id\' is an operand, and here stands a condition, such as {"above": ["fast", "slow"]}',
        ),
        (
            entry({"above": [CROSS, 1]}),
            "signals.long_entry.above.0",
            '\'cross_above\' is a condition, and here stands an operand, such as {"id": "ema"}, a name of let or '
            "a number",
        ),
        (
            entry([CROSS]),
            "signals.long_entry",
            'a list is no condition: {"all": […]} needs all of them, {"any": […]} one',
        ),
        (
            entry({"above": [{"time": "weekday"}, "friday"]}),
            "signals.long_entry.above.1",
            "unknown name 'friday'; a weekday is a number, Monday is 0: 4",
        ),
        (
            {"signals": {"entry": CROSS}},
            "signals.entry",
            'unknown field \'entry\'; it is written "long_entry": {"cross_above": ["fast", "slow"]}',
        ),
        (entry({">": ["fast", 1]}), "signals.long_entry", "unknown condition '>'; did you mean 'above'?"),
        (
            entry({"above": [{"id": "emma"}, 1]}),
            "signals.long_entry.above.0.id",
            "unknown indicator 'emma'; did you mean 'ema'?",
        ),
        (
            entry({"above": [{"id": "ema", "params": {"windw": 5}}, 1]}),
            "signals.long_entry.above.0.params.windw",
            "unknown field 'windw'; did you mean 'window'?",
        ),
        (
            entry({"above": [{"id": "ema", "params": {"window": 1}}, 1]}),
            "signals.long_entry.above.0.params.window",
            "1 is outside 2 to 20000",
        ),
        (
            entry({"above": [{"id": "macd", "output": "sgnal"}, 1]}),
            "signals.long_entry.above.0.output",
            "macd has no output 'sgnal'; did you mean 'signal'?",
        ),
        (
            entry({"above": [{"price": "close"}, {"id": "bbands"}]}),
            "signals.long_entry.above.1.output",
            "bbands has several outputs, name one: middle, upper, lower",
        ),
        (
            entry({"rule": "rsi", "side": "long", "signal": {"long_threshold": 200}}),
            "signals.long_entry.signal.long_threshold",
            "200 is outside 0 to 100",
        ),
        (
            entry({"above": ["fast", [1, 2]]}),
            "signals.long_entry.above.1",
            'an operand is an object such as {"id": "ema"}, a name of let or a number',
        ),
        (
            entry({"above": ["fast", 1], "below": ["fast", 1]}),
            "signals.long_entry",
            "'above' and 'below' in one object: a condition is one of them, several stand in a list",
        ),
        (
            entry({"rising": ["fast", 0]}),
            "signals.long_entry.rising.1",
            "1 to 5000 bars, got 0",
        ),
        (
            entry({"held_for": [CROSS, 1.5]}),
            "signals.long_entry.held_for.1",
            "a whole number of bars is needed, got 1.5",
        ),
        (
            {"let": {**LET, "fast": {"id": "ema", "timeframe": "15m"}}},
            "let.fast.timeframe",
            "a timeframe is 1h, the strategy's, or a multiple of it: got 15m",
        ),
        (
            {"where": [["fst.window", "<", "slow.window"]]},
            "where.0.0",
            "unknown name 'fst'; did you mean 'fast'?",
        ),
        (
            {"where": ["fast.window < slow.window"]},
            "where.0",
            'a constraint is written ["fast.window", "<", "slow.window"]',
        ),
        (
            {"where": [["fast.window", "<", None]]},
            "where.0.2",
            "a number is needed, or a parameter of a name, such as fast.window",
        ),
        (
            {"indicators": [{"id": "rsi"}]},
            "indicators",
            "a strategy has either indicators or signals",
        ),
        (
            {"signals": {"long_entry": CROSS, "short_exit": CROSS}},
            "signals",
            "short_exit closes nothing: there is no short_entry",
        ),
        (
            {"direction": "short-only"},
            "signals",
            "short-only and no short_entry: nothing opens a position",
        ),
        ({"signals": None}, "let", "let belongs to signals"),
    ],
)
def test_a_mistake_is_refused_with_its_place(changes: dict[str, Any], place: str, message: str):
    assert (place, message) in refused(**changes)


def nested(levels: int) -> dict[str, Any]:
    condition: dict[str, Any] = {"above": ["fast", 1]}
    for _ in range(levels):
        condition = {"not": condition}
    return condition


def deep_operand(levels: int) -> dict[str, Any]:
    operand: dict[str, Any] = {"price": "close"}
    for _ in range(levels):
        operand = {"abs": operand}
    return operand


def of_ema(**fields: Any) -> dict[str, Any]:
    return {"above": [{"id": "ema", **fields}, 1]}


def of_sixteens(conditions: int) -> dict[str, Any]:
    """A tree of that many conditions, sixteen in each `all`."""
    level: list[Any] = [CROSS] * conditions
    while len(level) > 1:
        level = [{"all": level[at : at + 16]} for at in range(0, len(level), 16)]
    whole: dict[str, Any] = level[0]
    return whole


def names_of_names(levels: int) -> dict[str, Any]:
    """Names that each take the next one four times: 4^levels operands, written out."""
    chain = {f"n{at:02}": {"max": [f"n{at + 1:02}"] * 4} for at in range(levels)}
    return {**LET, **chain, f"n{levels:02}": "fast"}


def holding_itself() -> dict[str, Any]:
    condition: dict[str, Any] = {"all": []}
    condition["all"].append(condition)
    return condition


MILLION = 1_000_000


@pytest.mark.parametrize(
    ("make", "place"),  # made by its test: three million objects would stay with the process
    [
        (lambda: entry({"all": [CROSS] * MILLION}), "signals.long_entry.all"),
        (lambda: {"signals": {f"k{at}": 1 for at in range(MILLION)}}, "signals"),
        (lambda: {"let": {f"k{at}": 1 for at in range(MILLION)}}, "let"),
        (lambda: entry(holding_itself()), "signals.long_entry"),
        (lambda: entry(nested(6)), "signals.long_entry.not"),
        (lambda: entry(nested(500)), "signals.long_entry.not"),
        (lambda: {"let": {**LET, "fast": "slow", "slow": {"plus": ["fast", 1]}}}, "let.fast"),
        (lambda: {"let": {**LET, "slow": {"abs": {"abs": {"abs": {"abs": "day"}}}}}}, "let.slow"),
        (lambda: entry({"above": ["fast", {"start": 0, "stop": 1e9, "step": 1}]}), "signals.long_entry.above.1"),
        (lambda: {"where": [["fast.window", "<", 1]] * 1000}, "where"),
        (lambda: entry(of_sixteens(MILLION)), "signals.long_entry.all"),
        (lambda: entry(nested(100_000)), "signals.long_entry.not"),
        (lambda: entry({"above": [deep_operand(100_000), 1]}), "signals.long_entry.above.0.abs"),
        (lambda: {"let": {**LET, "day": deep_operand(100_000)}}, "let.day.abs"),
        (lambda: {"let": names_of_names(20)}, "let.n00"),
        (
            lambda: entry(of_ema(params={f"k{at}": 1 for at in range(MILLION)})),
            "signals.long_entry.above.0.params",
        ),
        (
            lambda: entry(of_ema(inputs={"source": ["close"] * MILLION})),
            "signals.long_entry.above.0.inputs.source",
        ),
        (lambda: entry({"above": ["fast", {"values": list(range(MILLION))}]}), "signals.long_entry.above.1"),
        (lambda: {"let": {**LET, "fast": {"id": "ema", "timeframe": "5m"}}}, "let.fast.timeframe"),
        (lambda: entry({"above": ["f" * MILLION, 1]}), "signals.long_entry.above.0"),
    ],
    ids=[
        "nodes",
        "signals",
        "names",
        "self",
        "depth",
        "abyss",
        "cycle",
        "arithmetic",
        "values",
        "constraints",
        "a tree of a million",
        "nested deeply",
        "an operand nested deeply",
        "a name nested deeply",
        "names of names",
        "parameters",
        "columns",
        "written values",
        "timeframe",
        "a long name",
    ],
)
def test_a_hostile_tree_is_refused_at_once_with_the_place_of_the_fault(
    make: Callable[[], dict[str, Any]], place: str
):
    get_request_models().validated_request(content())  # the models are built once
    changes = make()
    began = time.process_time()
    places = {field for field, _ in refused(**changes)}
    assert any(field.startswith(place) for field in places), places
    assert time.process_time() - began < 0.1


def test_a_request_with_indicators_says_nothing_of_signals():
    asked = get_request_models().validated_request(content(let={}, signals=None, indicators=[{"id": "rsi"}]))
    assert not {"let", "signals", "where"} & asked.model_dump(mode="json").keys()
