"""Operands: what a condition compares. A series over the bars, a number, or an axis of numbers."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, PlainValidator, StringConstraints, TypeAdapter, WithJsonSchema

from candleray.backtests.axes import Axis
from candleray.backtests.indicator_axes import Columns
from candleray.backtests.signals.nodes import DUMPED, Node, is_axis, is_number, one_node
from candleray.markets import Instrument
from candleray.timeframes import Timeframe

Name: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
"""The name of an operand in `let`."""

PriceColumn: TypeAlias = Literal["open", "high", "low", "close", "volume", "hlc3", "ohlc4"]

MAX_SHIFT = 5_000
"""Bars that an operand or a condition may reach back."""


def _is_none(value: Any) -> bool:
    return value is None


def _is_zero(value: Any) -> bool:
    return isinstance(value, int | float) and value == 0


OtherTimeframe: TypeAlias = Annotated[Timeframe | None, Field(exclude_if=_is_none)]
"""A multiple of the strategy's; its own where left out. The value is that of the last bar that was closed."""
OtherInstrument: TypeAlias = Annotated[Instrument | None, Field(exclude_if=_is_none)]
"""Another instrument than the strategy's."""
Shift: TypeAlias = Annotated[Axis, Field(exclude_if=_is_zero)]
"""So many bars earlier, of the operand's own timeframe."""


class IndicatorOperand(Node):
    """An output of an indicator; what is left out takes the indicator's default."""

    id: str = Field(examples=["ema"])
    output: Annotated[str | None, Field(exclude_if=_is_none)] = None
    """One of the indicator's outputs; needed where it has several and none bears its name."""
    inputs: dict[str, str | Columns] = {}
    params: dict[str, Axis] = {}
    timeframe: OtherTimeframe = None
    instrument: OtherInstrument = None
    shift: Shift = 0


class PriceOperand(Node):
    """A column of the candles."""

    price: PriceColumn
    timeframe: OtherTimeframe = None
    instrument: OtherInstrument = None
    shift: Shift = 0


class TimeOperand(Node):
    """The hour (0 to 23) or weekday (Monday is 0) in UTC in which the bar opened."""

    time: Literal["hour", "weekday"]


def _operand(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if is_number(value) or is_axis(value):
        return _axis_adapter().validate_python(value)
    return one_node(OPERANDS, "an operand", '{"id": "ema"}, a name of let or a number')(value)


@cache
def _axis_adapter() -> TypeAdapter[Any]:
    return TypeAdapter(Axis)


Operand: TypeAlias = Annotated[
    Any,
    PlainValidator(_operand),
    DUMPED,
    WithJsonSchema(
        {
            "title": "Operand",
            "description": "A name of `let`, a number, an axis of numbers, or an object with one of the keys "
            "`id`, `price`, `time`, `plus`, `minus`, `times`, `over`, `abs`, `max`, `min`.",
            "anyOf": [{"type": "string"}, {"type": "number"}, {"type": "object"}],
        }
    ),
]
"""A name of `let`, a number or an axis of numbers, or one of `OPERANDS`."""


class Plus(Node):
    plus: Annotated[tuple[Operand, ...], Field(min_length=2, max_length=4)]


class Minus(Node):
    minus: tuple[Operand, Operand]


class Times(Node):
    times: Annotated[tuple[Operand, ...], Field(min_length=2, max_length=4)]


class Over(Node):
    """A quotient; a division by zero has no value."""

    over: tuple[Operand, Operand]


class Abs(Node):
    abs: Operand


class Max(Node):
    max: Annotated[tuple[Operand, ...], Field(min_length=2, max_length=4)]


class Min(Node):
    min: Annotated[tuple[Operand, ...], Field(min_length=2, max_length=4)]


ARITHMETIC: tuple[type[Node], ...] = (Plus, Minus, Times, Over, Abs, Max, Min)

OPERANDS: dict[str, type[Node]] = {
    "id": IndicatorOperand,
    "price": PriceOperand,
    "time": TimeOperand,
    "plus": Plus,
    "minus": Minus,
    "times": Times,
    "over": Over,
    "abs": Abs,
    "max": Max,
    "min": Min,
}
"""Every kind of operand by the key that tells it apart."""
