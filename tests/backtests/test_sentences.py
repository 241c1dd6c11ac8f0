"""Strategies said in plain English: every kind of condition and operand, within one another and denied."""

from __future__ import annotations

import json
from typing import Any

import pytest

from candleray.backtests.sentences import sentences
from candleray.backtests.signals.conditions import CONDITIONS, ConditionNode
from candleray.backtests.signals.operands import OPERANDS, OperandNode
from candleray.indicators.request_models import get_request_models
from candleray.search.variants import resolve
from candleray.settings import BacktestSettings

LET = {
    "fast": {"id": "ema", "params": {"window": {"start": 10, "stop": 50, "step": 5}}},
    "slow": {"id": "ema", "params": {"window": {"values": [100, 200]}}},
    "trend": {"id": "sma", "timeframe": "1d", "params": {"window": 200}},
    "day": {"price": "close", "timeframe": "1d"},
    "band": {"plus": ["slow", {"times": [{"id": "atr"}, {"values": [1.5, 2, 3]}]}]},
}
CLOSE = {"price": "close"}
DRY = {"below": [{"id": "adx"}, 20]}
UP = {"above": [CLOSE, 5]}


def said(**changes: Any) -> tuple[str, ...]:
    content = {
        "instrument": {"market_id": 1, "symbol": "ETHUSDT"},
        "timeframe": "1h",
        "time_range": {"start": "2025-01-01", "end": "2025-02-01"},
        "direction": "long-only",
        **changes,
    }
    return sentences(resolve(get_request_models().validated_request(content), BacktestSettings()))


def clause(condition: Any) -> str:
    """An entry's words alone."""
    (whole,) = said(let=LET, signals={"long_entry": condition})
    return whole.removeprefix("Opens long when ").removesuffix("; no signal closes it.")


def operand(node: Any) -> str:
    return clause({"above": [node, 1]}).removesuffix(" is above 1")


def test_the_strategy_of_the_requirements_reads_as_they_say_it():
    entry = {"all": [{"cross_above": ["fast", "slow"]}, DRY, {"above": ["day", "trend"]}]}
    signals = {"long_entry": entry, "long_exit": {"cross_below": ["fast", "slow"]}}
    where = [["fast.window", "<", "slow.window"]]
    assert said(let=LET, signals=signals, where=where, risk={"sl_pct": {"values": [1, 2]}, "tp_pct": 4}) == (
        "Opens long when EMA(10 to 50 by 5) crosses above EMA(100 or 200), while ADX(14) is below 20 and the "
        "daily close is above the daily SMA(200); closes when EMA(10 to 50 by 5) crosses below EMA(100 or 200).",
        "Before that, a stop-loss of 1 or 2 % or a take-profit of 4 % closes.",
        "Only where fast.window < slow.window.",
    )


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (UP, "the close is above 5"),
        ({"not": UP}, "the close is not above 5"),
        ({"not": {"not": UP}}, "the close is above 5"),
        (DRY, "ADX(14) is below 20"),
        ({"not": DRY}, "ADX(14) is not below 20"),
        ({"between": [{"time": "hour"}, 8, 16]}, "the hour (UTC) is between 8 and 16"),
        ({"not": {"between": ["fast", 8, "slow"]}}, "EMA(10 to 50 by 5) is not between 8 and EMA(100 or 200)"),
        ({"cross_above": [CLOSE, "trend"]}, "the close crosses above the daily SMA(200)"),
        ({"not": {"cross_below": [CLOSE, 7]}}, "the close does not cross below 7"),
        ({"rising": [CLOSE, 1]}, "the close has risen since the bar before"),
        ({"rising": ["trend", 3]}, "the daily SMA(200) has risen on 3 daily bars in a row"),
        ({"not": {"falling": [CLOSE, {"values": [2, 3]}]}}, "the close has not fallen on (2 or 3) bars in a row"),
        ({"held_for": [UP, 3]}, "on each of the last 3 bars the close is above 5"),
        ({"all": [{"earlier": [UP, 1]}, DRY]}, "(1 bar earlier the close is above 5) and ADX(14) is below 20"),
        (
            {"not": {"within_last": [UP, 5]}},
            "it is not so that (on at least one of the last 5 bars the close is above 5)",
        ),
        (
            {"all": [UP, {"any": [DRY, UP]}]},
            "the close is above 5 and (either ADX(14) is below 20 or the close is above 5)",
        ),
        (
            {"any": [DRY, {"all": [UP, DRY]}]},
            "either ADX(14) is below 20 or (the close is above 5 and ADX(14) is below 20)",
        ),
        (
            {"all": [{"held_for": [UP, 2]}, DRY]},
            "(on each of the last 2 bars the close is above 5) and ADX(14) is below 20",
        ),
        ({"not": {"all": [UP, DRY]}}, "it is not so that (the close is above 5 and ADX(14) is below 20)"),
        ({"not": {"any": [UP, DRY]}}, "it is not so that (the close is above 5 or ADX(14) is below 20)"),
        ({"all": [UP]}, "the close is above 5"),
        ({"rule": "rsi", "side": "short"}, "RSI(14) says short (long threshold 30, short threshold 70)"),
        ({"not": {"rule": "sma", "side": "long", "timeframe": "4h"}}, "the 4-hour SMA(20) does not say long"),
        (
            {"all": [DRY, {"cross_above": [CLOSE, 5]}, UP]},
            "the close crosses above 5, while ADX(14) is below 20 and the close is above 5",
        ),
    ],
    ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else "",
)
def test_conditions(condition: Any, words: str):
    assert clause(condition) == words


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ("trend", "the daily SMA(200)"),
        ("day", "the daily close"),
        ("band", "EMA(100 or 200) plus (ATR(14) times (1.5, 2 or 3))"),
        ({"id": "obv"}, "OBV"),
        ({"id": "bbands", "output": "upper"}, "the upper line of BBANDS(20, 2)"),
        ({"id": "macd", "output": "signal", "timeframe": "4h"}, "the 4-hour signal line of MACD(12, 26, 9)"),
        ({"id": "ema", "inputs": {"source": ["close", "hlc3"]}}, "EMA(20) of close or hlc3"),
        (
            {"id": "rsi", "instrument": {"market_id": 1, "symbol": "BTCUSDT"}, "shift": 2},
            "RSI(14) of binance-spot BTCUSDT 2 bars before",
        ),
        (
            {"price": "ohlc4", "timeframe": "1d", "shift": 1},
            "the daily mean of open, high, low and close 1 daily bar before",
        ),
        ({"time": "weekday"}, "the weekday (UTC, Monday is 0)"),
        ({"start": 10, "stop": 50, "step": 5}, "(10 to 50 by 5)"),
        ({"values": [1, 2, 3, 4, 5, 6, 7, 8]}, "(1, 2, 3, … or 8, 8 values)"),
        ({"minus": [CLOSE, {"plus": [1, 2]}]}, "the close minus (1 plus 2)"),
        ({"over": [CLOSE, 0.5]}, "the close divided by 0.5"),
        ({"abs": {"minus": [CLOSE, 1]}}, "the size of (the close minus 1)"),
        ({"max": [CLOSE, 1, 2]}, "the largest of the close, 1 and 2"),
        ({"times": [{"min": [CLOSE, 1]}, 2]}, "(the smallest of the close and 1) times 2"),
    ],
    ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else "",
)
def test_operands(node: Any, words: str):
    assert operand(node) == words


def test_every_kind_has_words_of_its_own():
    silent = [kind.__name__ for kind in CONDITIONS.values() if kind.words is ConditionNode.words]
    silent += [kind.__name__ for kind in OPERANDS.values() if kind.words is OperandNode.words]
    assert silent == []


@pytest.mark.parametrize(
    ("changes", "closing"),
    [
        ({"exit_on": "neutral"}, "closes when that is no longer so."),
        ({}, "no signal closes it."),
        ({"signals": {"long_entry": UP, "short_entry": DRY}}, "closes when ADX(14) is below 20."),
        (
            {"signals": {"long_entry": UP, "short_entry": DRY}, "direction": "long-short"},
            "closes when the short entry's condition is true.",
        ),
    ],
    ids=["neutral", "nothing", "the other entry", "a reversal"],
)
def test_what_closes_without_an_exit_is_said(changes: dict[str, Any], closing: str):
    assert (
        said(**{"signals": {"long_entry": UP}, **changes})[0] == f"Opens long when the close is above 5; {closing}"
    )


def test_a_request_with_indicators_says_that_all_must_agree():
    two = [{"id": "ema", "params": {"window": window}} for window in (10, {"values": [50, 100]})]
    assert said(indicators=two, direction="long-short") == (
        "Opens long when EMA(10) says long and EMA(50 or 100) says long; "
        "closes when the short entry's condition is true.",
        "Opens short when EMA(10) says short and EMA(50 or 100) says short; "
        "closes when the long entry's condition is true.",
    )


def test_the_same_content_in_any_order_has_the_same_words():
    turned = dict(reversed(LET.items()))
    signals = {"long_entry": {"cross_above": ["fast", "band"]}}
    assert said(let=LET, signals=signals) == said(signals=signals, let=turned)
