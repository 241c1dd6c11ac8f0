"""Operands: what a condition compares. A series over the bars, a number, or an axis of numbers."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import Field, PlainValidator, StringConstraints, TypeAdapter, WithJsonSchema

from candleray.backtests.axes import Axis
from candleray.backtests.indicator_axes import Columns
from candleray.backtests.signals.name_hints import (
    PriceColumn,
    TimePart,
    close_match,
    indicator_written_as,
    written_otherwise,
)
from candleray.backtests.signals.nodes import DUMPED, Node, form, is_axis, is_number, one_node
from candleray.backtests.signals.speech import Speech, bars, indicator, joined, with_source
from candleray.markets import Instrument
from candleray.timeframes import Timeframe

Name: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
"""The name of an operand in `let`."""

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


class OperandNode(Node):
    """An operand that is more than a name or a number."""

    noun: ClassVar[str] = "an operand"

    def words(self, speech: Speech) -> str:
        """Say it in plain English, as a part of a sentence."""
        raise NotImplementedError(type(self).__name__)


class IndicatorOperand(OperandNode):
    """An output of an indicator; what is left out takes the indicator's default."""

    id: str = Field(examples=["ema"])
    output: Annotated[str | None, Field(exclude_if=_is_none)] = None
    """One of the indicator's outputs; needed where it has several and none bears its name."""
    inputs: dict[str, str | Columns] = {}
    params: dict[str, Axis] = {}
    timeframe: OtherTimeframe = None
    instrument: OtherInstrument = None
    shift: Shift = 0

    def words(self, speech: Speech) -> str:
        name = indicator(self.id, self.params)
        if self.output is not None and self.output != self.id:
            name = f"{self.output.replace('_', ' ')} line of {name}"
            name = name if self.timeframe else f"the {name}"
        return _shifted(with_source(name, self.inputs, self.timeframe, self.instrument), self)


class PriceOperand(OperandNode):
    """A column of the candles."""

    price: PriceColumn
    timeframe: OtherTimeframe = None
    instrument: OtherInstrument = None
    shift: Shift = 0

    def words(self, speech: Speech) -> str:
        name = _PRICES.get(self.price, self.price)
        name = name if self.timeframe else f"the {name}"
        return _shifted(with_source(name, {}, self.timeframe, self.instrument), self)


_PRICES = {"hlc3": "mean of high, low and close", "ohlc4": "mean of open, high, low and close"}


def _shifted(words: str, operand: IndicatorOperand | PriceOperand) -> str:
    return f"{words} {bars(operand.shift, operand.timeframe)} before" if operand.shift != 0 else words


class TimeOperand(OperandNode):
    """The hour (0 to 23) or weekday (Monday is 0) in UTC in which the bar opened."""

    time: TimePart

    def words(self, speech: Speech) -> str:
        return {"hour": "the hour (UTC)", "weekday": "the weekday (UTC, Monday is 0)"}[self.time]


def _operand(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if is_number(value) or is_axis(value):
        return _axis_adapter().validate_python(value)
    return one_node(OPERANDS, "an operand", '{"id": "ema"}, a name of let or a number', _hint)(value)


def _hint(key: str) -> str:
    """Return the nearest kind of operand; else how a price or an indicator is written."""
    return written_otherwise(key) or close_match(key, OPERANDS) or indicator_written_as(key)


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


Pair: TypeAlias = Annotated[tuple[Operand, Operand], form("[a, b]", 2, 2)]
Several: TypeAlias = Annotated[
    tuple[Operand, ...], Field(min_length=2, max_length=4), form("[2 to 4 operands]", 2, 4)
]


class Plus(OperandNode):
    is_compound: ClassVar[bool] = True

    plus: Several

    def words(self, speech: Speech) -> str:
        return " plus ".join(map(speech.within, self.plus))


class Minus(OperandNode):
    is_compound: ClassVar[bool] = True

    minus: Pair

    def words(self, speech: Speech) -> str:
        return " minus ".join(map(speech.within, self.minus))


class Times(OperandNode):
    is_compound: ClassVar[bool] = True

    times: Several

    def words(self, speech: Speech) -> str:
        return " times ".join(map(speech.within, self.times))


class Over(OperandNode):
    """A quotient; a division by zero has no value."""

    is_compound: ClassVar[bool] = True

    over: Pair

    def words(self, speech: Speech) -> str:
        return " divided by ".join(map(speech.within, self.over))


class Abs(OperandNode):
    abs: Operand

    def words(self, speech: Speech) -> str:
        return f"the size of {speech.within(self.abs)}"


class Max(OperandNode):
    is_compound: ClassVar[bool] = True

    max: Several

    def words(self, speech: Speech) -> str:
        return f"the largest of {joined([speech.within(part) for part in self.max], 'and')}"


class Min(OperandNode):
    is_compound: ClassVar[bool] = True

    min: Several

    def words(self, speech: Speech) -> str:
        return f"the smallest of {joined([speech.within(part) for part in self.min], 'and')}"


ARITHMETIC: tuple[type[Node], ...] = (Plus, Minus, Times, Over, Abs, Max, Min)

OPERANDS: dict[str, type[OperandNode]] = {
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
