"""Words of the expressions that are no indicator: prices, time, axes, rules, and the larger of two."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from candleray.errors import invalid
from candleray.sdk.signals.terms import (
    Arithmetic,
    Axis,
    CandleLeaf,
    Condition,
    Number,
    Operand,
    OperandLike,
    RuleTerm,
    number_of,
    operand_of,
)

if TYPE_CHECKING:
    from candleray.timeframes import Timeframe

Column: TypeAlias = Literal["open", "high", "low", "close", "volume", "hlc3", "ohlc4"]
Instrument: TypeAlias = Mapping[str, Any]
"""`{"market_id": 1, "symbol": "BTCUSDT"}`."""


def price(
    column: Column = "close",
    *,
    timeframe: Timeframe | None = None,
    instrument: Instrument | None = None,
    shift: Number = 0,
) -> CandleLeaf:
    """A column of the candles.

    >>> price() > price("open").shift(1)
    {"above": [{"price": "close"}, {"price": "open", "shift": 1}]}
    """
    if column not in get_args(Column):
        hint = (
            f'write price(timeframe="{column}")'
            if _is_timeframe(column)
            else f"it is one of {', '.join(get_args(Column))}"
        )
        raise invalid("signals.price", "unknown_column", f"price has no column {str(column)[:40]!r}; {hint}")
    return CandleLeaf({"price": column} | place_of(timeframe, instrument, shift))


def _is_timeframe(text: object) -> bool:
    return isinstance(text, str) and re.fullmatch(r"\d+[mhdw]", text) is not None


def hour() -> CandleLeaf:
    """The hour in UTC, 0 to 23, in which the bar opened.

    >>> hour().between(8, 16)
    {"between": [{"time": "hour"}, 8, 16]}
    """
    return CandleLeaf({"time": "hour"})


def weekday() -> CandleLeaf:
    """The weekday in UTC on which the bar opened; Monday is 0.

    >>> weekday() < 5
    {"below": [{"time": "weekday"}, 5]}
    """
    return CandleLeaf({"time": "weekday"})


def values(*numbers: float) -> Axis:
    """An axis of just these numbers.

    >>> price().rising(values(2, 3))
    {"rising": [{"price": "close"}, {"values": [2, 3]}]}
    """
    if not numbers:
        raise invalid("signals", "empty_axis", "values(…) needs a number: values(20, 25, 30)")
    return Axis({"values": [number_of(one) for one in numbers]})


def steps(start: float, stop: float, step: float) -> Axis:
    """An axis of all numbers from `start` to `stop`, which is included.

    >>> weekday() < steps(4, 6, 1)
    {"below": [{"time": "weekday"}, {"start": 4, "stop": 6, "step": 1}]}
    """
    return Axis({"start": number_of(start), "stop": number_of(stop), "step": number_of(step)})


def maximum(*operands: OperandLike) -> Operand:
    """The largest of two to four operands.

    >>> price() < maximum(price("open"), price("open").shift(1))
    {"below": [{"price": "close"}, {"max": [{"price": "open"}, {"price": "open", "shift": 1}]}]}
    """
    return Arithmetic("max", tuple(operand_of(one) for one in operands))


def minimum(*operands: OperandLike) -> Operand:
    """The smallest of two to four operands.

    >>> price() > minimum(price("open"), 100)
    {"above": [{"price": "close"}, {"min": [{"price": "open"}, 100]}]}
    """
    return Arithmetic("min", tuple(operand_of(one) for one in operands))


def rule(
    indicator_id: str,
    side: Literal["long", "short"],
    *,
    params: Mapping[str, Number] | None = None,
    signal: Mapping[str, Number] | None = None,
    timeframe: Timeframe | None = None,
    instrument: Instrument | None = None,
) -> Condition:
    """One side of an indicator's own rule, as the catalogue has it.

    >>> rule("rsi", "long", params={"window": 14}, signal={"long_threshold": values(25, 30)})
    {"rule": "rsi", "side": "long", "params": {"window": 14}, "signal": {"long_threshold": {"values": [25, 30]}}}
    """
    groups = {"params": params, "signal": signal}
    written = {
        group: {name: number_of(one) for name, one in given.items()} for group, given in groups.items() if given
    }
    return RuleTerm({"rule": indicator_id, "side": side} | written | place_of(timeframe, instrument))


def place_of(timeframe: str | None, instrument: Instrument | None, shift: Number = 0) -> dict[str, Any]:
    """Return the JSON of the bars that an operand is read on, without what is the strategy's own."""
    place: dict[str, Any] = {}
    if timeframe is not None:
        place["timeframe"] = timeframe
    if instrument is not None:
        place["instrument"] = dict(instrument)
    if isinstance(shift, Axis) or shift:
        place["shift"] = number_of(shift)
    return place
