"""Signals as Python expressions: each writes the JSON that a person would."""

from __future__ import annotations

import doctest
import json
import operator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from candleray.backtests.request import BacktestRequest
from candleray.errors import InvalidInput
from candleray.indicators.catalogue import get_catalogue
from candleray.indicators.request_models import get_request_models
from candleray.sdk import signals as words
from candleray.sdk.signals import (
    adx,
    atr,
    bbands,
    donchian,
    ema,
    hour,
    macd,
    maximum,
    minimum,
    price,
    rsi,
    rule,
    signals,
    sma,
    steps,
    values,
    vocabulary,
    weekday,
    written_signals,
)
from candleray.sdk.signals.terms import Condition
from candleray.search.variants import VariantGrid, resolve
from candleray.settings import BacktestSettings

BTC = {"market_id": 1, "symbol": "BTCUSDT"}
AROUND = {
    "instrument": {"market_id": 1, "symbol": "ETHUSDT"},
    "timeframe": "1h",
    "time_range": {"start": "2025-01-01T00:00:00Z", "end": "2025-02-01T00:00:00Z"},
}
PAGE = Path(__file__).parents[2] / "docs" / "howto" / "signals-in-python.md"


def checked(parts: dict[str, Any]) -> BacktestRequest:
    """The request, as an API checks it."""
    return get_request_models().validated_request(AROUND | json.loads(json.dumps(parts)))


def written(condition: Condition) -> Any:
    return signals(long_entry=condition)["signals"]["long_entry"]


def axis(*numbers: float) -> dict[str, Any]:
    return dict(zip(("start", "stop", "step"), numbers, strict=True))


CLOSE = {"price": "close"}
RSI = {"id": "rsi"}
SPOKEN: dict[str, tuple[Condition, Any]] = {
    "above": (price() > rsi(), {"above": [CLOSE, RSI]}),
    "below": (price() < rsi(), {"below": [CLOSE, RSI]}),
    "a number first": (operator.gt(30, rsi()), {"below": [RSI, 30]}),
    "at least": (rsi() >= 30, {"not": {"below": [RSI, 30]}}),
    "at most": (rsi() <= 30, {"not": {"above": [RSI, 30]}}),
    "equal": (hour() == 14, {"between": [{"time": "hour"}, 14, 14]}),
    "unequal": (weekday() != 6, {"not": {"between": [{"time": "weekday"}, 6, 6]}}),
    "between": (rsi().between(40, values(60, 70)), {"between": [RSI, 40, {"values": [60, 70]}]}),
    "a cross": ((ema(10) > price()).crosses(), {"cross_above": [{"id": "ema", "params": {"window": 10}}, CLOSE]}),
    "a cross by name": (rsi().crosses_below(70), {"cross_below": [RSI, 70]}),
    "rising": (price().rising(3), {"rising": [CLOSE, 3]}),
    "falling": (price().falling(steps(2, 4, 1)), {"falling": [CLOSE, axis(2, 4, 1)]}),
    "held": ((rsi() > 50).held_for(3), {"held_for": [{"above": [RSI, 50]}, 3]}),
    "lately": (
        (rsi() < 30).within_last(values(5, 10)),
        {"within_last": [{"below": [RSI, 30]}, {"values": [5, 10]}]},
    ),
    "earlier": ((rsi() < 30).earlier(3), {"earlier": [{"below": [RSI, 30]}, 3]}),
    "and": (
        (rsi() > 1) & (rsi() > 2) & (rsi() > 3),
        {"all": [{"above": [RSI, 1]}, {"above": [RSI, 2]}, {"above": [RSI, 3]}]},
    ),
    "or": (
        (rsi() > 1) | (rsi() > 2) & (rsi() > 3),
        {"any": [{"above": [RSI, 1]}, {"all": [{"above": [RSI, 2]}, {"above": [RSI, 3]}]}]},
    ),
    "not": (~(rsi() > 1), {"not": {"above": [RSI, 1]}}),
    "not, twice": (~~(rsi() > 1), {"above": [RSI, 1]}),
    "a sum": (1 + rsi() + 2 - 3 > 0, {"above": [{"minus": [{"plus": [1, RSI, 2]}, 3]}, 0]}),
    "a product": (
        2 * rsi() / 3 > -price(),
        {"above": [{"over": [{"times": [2, RSI]}, 3]}, {"minus": [0, CLOSE]}]},
    ),
    "a distance": (
        abs(price() - sma(20)) > 1,
        {"above": [{"abs": {"minus": [CLOSE, {"id": "sma", "params": {"window": 20}}]}}, 1]},
    ),
    "the larger": (price() > maximum(rsi(), 3), {"above": [CLOSE, {"max": [RSI, 3]}]}),
    "the smaller": (price() > minimum(rsi(), 3), {"above": [CLOSE, {"min": [RSI, 3]}]}),
    "shifted": (price() > price("high").shift(2), {"above": [CLOSE, {"price": "high", "shift": 2}]}),
    "another timeframe": (
        rsi(14, timeframe="1d") > 50,
        {"above": [{"id": "rsi", "params": {"window": 14}, "timeframe": "1d"}, 50]},
    ),
    "another instrument": (
        price(instrument=BTC, timeframe="4h").rising(),
        {"rising": [{"price": "close", "timeframe": "4h", "instrument": BTC}, 1]},
    ),
    "a column": (
        ema(20, source="hlc3") > 1,
        {"above": [{"id": "ema", "inputs": {"source": "hlc3"}, "params": {"window": 20}}, 1]},
    ),
    "several parameters": (
        macd(12, slow=26, output="signal") > 0,
        {"above": [{"id": "macd", "output": "signal", "params": {"fast": 12, "slow": 26}}, 0]},
    ),
    "numbers of numpy": (
        rsi(np.int64(7)) > np.float64(30),
        {"above": [{"id": "rsi", "params": {"window": 7}}, 30.0]},
    ),
    "a number of numpy on the left": (np.float64(2) * rsi() > 1, {"above": [{"times": [2.0, RSI]}, 1]}),
    "a rule": (
        rule("adx", "long", params={"window": 7}),
        {"rule": "adx", "side": "long", "params": {"window": 7}},
    ),
}


@pytest.mark.parametrize("said", SPOKEN)
def test_an_expression_is_the_json_that_a_person_would_write_and_the_api_takes_it(said: str):
    condition, expected = SPOKEN[said]
    assert written(condition) == expected
    request = checked({"signals": {"long_entry": expected}})
    assert checked(signals(long_entry=condition)) == request
    assert BacktestRequest.model_validate_json(request.model_dump_json()) == request


def test_the_expression_of_the_issue_of_signals_is_its_json():
    condition = (ema(10, 50, 5) > ema(100)).crosses() & (adx(14) < 20)
    fast, slow = {"id": "ema", "params": {"window": axis(10, 50, 5)}}, {"id": "ema", "params": {"window": 100}}
    below = {"below": [{"id": "adx", "params": {"window": 14}}, 20]}
    assert signals(long_entry=condition) == {
        "signals": {"long_entry": {"all": [{"cross_above": [fast, slow]}, below]}}
    }


def test_an_operand_that_is_used_twice_is_one_name_and_so_one_axis():
    fast, slow = ema(10, 50, 5), ema(values(100, 200))
    parts = signals(long_entry=(fast > slow).crosses(), long_exit=fast < slow)
    assert parts == {
        "let": {
            "ema": {"id": "ema", "params": {"window": axis(10, 50, 5)}},
            "ema_2": {"id": "ema", "params": {"window": {"values": [100, 200]}}},
        },
        "signals": {"long_entry": {"cross_above": ["ema", "ema_2"]}, "long_exit": {"below": ["ema", "ema_2"]}},
    }
    assert combinations(parts) == 9 * 2
    written_twice = (ema(10, 50, 5) > ema(100)) & (ema(10, 50, 5) > ema(200))
    assert combinations(signals(long_entry=written_twice)) == 9 * 9


def combinations(parts: dict[str, Any]) -> int:
    return VariantGrid(resolve(checked(parts), BacktestSettings())).size


def test_an_operand_of_arithmetic_is_one_too():
    slow = ema(100)
    band = slow + values(1.5, 2) * atr()
    parts = signals(long_entry=(price() > band).crosses(), long_exit=(price() < slow).crosses())
    assert parts["let"] == {"ema": {"id": "ema", "params": {"window": 100}}}
    parts = signals(long_entry=price() > band, long_exit=price().falling() & (price() < band))
    assert list(parts["let"]) == ["plus"]
    assert combinations(parts) == 2


def test_a_threshold_that_is_used_twice_is_one_axis():
    limit = values(20, 25, 30)
    parts = signals(long_entry=adx() > limit, long_exit=adx() < limit)
    assert parts["let"] == {"number": {"values": [20, 25, 30]}}
    assert combinations(parts) == 3


def test_the_outputs_and_shifts_of_one_indicator_have_one_value_of_each_axis():
    bands, fast = bbands(values(20, 30), values(2, 2.5)), ema(10, 50, 5)
    lower, upper = bands.output("lower"), bands.output("upper")
    parts = signals(long_entry=(price() < lower) & (fast > fast.shift(3)), long_exit=price() > upper)
    assert combinations(parts) == 2 * 2 * 9
    assert parts["let"]["ema_2"]["shift"] == 3
    assert combinations(signals(long_entry=price() > donchian(20, output="upper").shift(1))) == 1


def test_names_are_those_that_are_given_and_constraints_name_them():
    fast, slow = ema(10, 50, 5).named("fast"), ema(20, 60, 10).named("slow")
    limit = values(20, 30)
    parts = signals(
        long_entry=(fast > slow).crosses() & (adx() < limit),
        where=[fast.parameter("window") < slow.parameter("window"), limit.parameter() <= 25],
    )
    assert list(parts["let"]) == ["fast", "slow", "number"]
    assert parts["where"] == [("fast.window", "<", "slow.window"), ("number", "<=", 25)]
    smaller = sum(one < other for one in range(10, 51, 5) for other in range(20, 61, 10))
    assert combinations(parts) == smaller


def test_one_constraint_needs_no_list_and_equal_is_both_bounds():
    fast = ema(10, 50, 5).named("fast")
    parts = signals(long_entry=fast > 1, where=fast.parameter("window") == 20)
    assert parts["where"] == [("fast.window", "<=", 20), ("fast.window", ">=", 20)]
    assert combinations(parts) == 1


def test_the_longest_sums_and_lists_stand_within_one_another():
    five = rsi(2) + rsi(3) + rsi(4) + rsi(5) + rsi(6)
    assert checked(signals(long_entry=five > 100))
    seventeen = price() > 1
    for at in range(16):
        seventeen &= hour() != at
    assert len(written(seventeen)["all"]) == 2


MISTAKES: dict[str, tuple[str, str]] = {
    "and in words": ("rsi() > 1 and rsi() < 2", "use & in place of and"),
    "or in words": ("rsi() > 1 or rsi() < 2", "| in place of or"),
    "not in words": ("not rsi() > 1", "~ in place of not"),
    "a chain": ("20 < rsi() < 80", r"x\.between\(low, high\)"),
    "the builtin max": ("max(rsi(), adx())", r"maximum\(a, b\)"),
    "no parentheses": ("rsi() > 1 & adx() > 2", "in parentheses"),
    "parentheses on one side": ("(rsi() > 1) & adx() > 2", "in parentheses"),
    "a number beside &": ("rsi() > 20 & (adx() > 2)", "20 is no condition"),
    "a number beside |": ("rsi() > 20 | (adx() > 2)", "20 is no condition"),
    "a text": ("rsi() > 'close'", r"price\('close'\)"),
    "a list": ("rsi() > [5, 10]", r"values\(5, 10\) are those two"),
    "a list of a parameter": ("rsi([5, 10])", r"values\(5, 10\) are those two"),
    "a truth value": ("rsi() > True", "True is no operand"),
    "no number": ("rsi() > float('nan')", "nan is no operand"),
    "a condition in arithmetic": ("rsi() + (rsi() > 1)", "is a condition"),
    "no axis": ("values()", "needs a number"),
    "half an axis": ("ema(10, 50)", "an axis is three numbers"),
    "an unknown parameter": ("ema(windw=3)", "did you mean 'window'"),
    "a parameter twice": ("ema(3, window=4)", "given twice"),
    "an unknown output": ("bbands(output='uper')", "did you mean 'upper'"),
    "iterating": ("list(rsi())", "not a list"),
    "no condition": ("signals(long_entry=rsi())", "compare operands"),
    "a name that is none": ("signals(long_entry=rsi().named('My RSI') > 3)", "is no name"),
    "a name twice": ("signals(long_entry=rsi().named('a') > adx().named('a'))", "two operands are named 'a'"),
    "a stranger in where": (
        "signals(long_entry=rsi() > 3, where=[adx().parameter('window') < 3])",
        "no signal reads",
    ),
    "another name of a signal": ("signals(entry=rsi() > 3)", "did you mean 'long_entry'"),
    "stops among signals": ("signals(long_entry=rsi() > 3, sl_pct=2)", '"risk": {"sl_pct": 2}'),
    "a signal without its name": ("signals(rsi() > 3)", "each signal has its name"),
    "a condition in where": ("signals(long_entry=rsi() > 3, where=[rsi() > 3])", "is no constraint"),
    "arithmetic in where": ("rsi().parameter('window') * 2 < 28", "no arithmetic of them"),
    "a text in where": ("rsi().parameter('window') < '28'", "'28' is a text"),
    "a cross of a negation": ("(rsi() >= 3).crosses()", r"write \(a > b\)\.crosses\(\)"),
    "a cross of between": ("rsi().between(1, 2).crosses()", r"write \(a > b\)\.crosses\(\)"),
    "a cross of an operand": ("rsi().crosses(50)", r"write a\.crosses_above\(b\)"),
    "a timeframe in place of a column": ("price('1d')", r'write price\(timeframe="1d"\)'),
    "an unknown column": ("price('clos')", "one of open, high, low, close"),
    "a timeframe in place of a number": ("ema(20, '1d')", r"ema\(20, timeframe='1d'\)"),
    "a power": ("rsi() ** 2", r"is \+ - \* /"),
    "an axis of bars twice": (
        "(lambda c: signals(long_entry=c, long_exit=~c))((rsi() > 3).held_for(values(2, 3)))",
        "would be two",
    ),
    "an axis of a rule twice": (
        "(lambda c: signals(long_entry=c, long_exit=~c))(rule('adx', 'long', params={'window': values(7, 14)}))",
        "would be two",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_refused_where_it_is_made_with_what_to_write_instead(mistake: str):
    code, message = MISTAKES[mistake]
    with pytest.raises(InvalidInput, match=message):
        eval(code, vars(words) | {"values": values})


def test_every_indicator_of_the_catalogue_is_a_function_whose_defaults_the_api_takes():
    for info in get_catalogue().describe():
        call = getattr(words, info.id)
        numbers = {param.name: param.default for param in info.params}
        one = call(**numbers, output=info.outputs[-1])
        assert checked(signals(long_entry=one > 0))


def test_no_indicator_has_the_name_of_another_word():
    others = {"hour", "maximum", "minimum", "price", "rule", "signals", "steps", "values", "weekday"}
    assert not others & {info.id for info in get_catalogue().describe()}


def test_the_examples_of_the_page_print_what_they_say():
    run = doctest.testfile(str(PAGE), module_relative=False)
    assert run.attempted > 10
    assert not run.failed


@pytest.mark.parametrize("module", [vocabulary, written_signals])
def test_the_examples_of_the_words_print_what_they_say(module: Any):
    run = doctest.testmod(module, extraglobs={"rsi": rsi})
    assert run.attempted
    assert not run.failed
