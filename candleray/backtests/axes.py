"""Axes and the lazy numbering of variants.

A grid is never enumerated. Its variants exist as indices `0 … size-1` in the mixed-radix order of its axes, the
last axis fastest; `decode` finds the digits of one. A grid of 10^12 costs what a grid of one costs.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Any, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    PlainSerializer,
    Strict,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError

from candleray.field_hints import FieldHint
from candleray.validation import Model


def _one_spelling(value: float) -> float:
    """5, 5.0 and 5e0 are one number, written 5."""
    return int(value) if float(value).is_integer() else value


Number: TypeAlias = Annotated[
    float,
    Strict(),
    Field(allow_inf_nan=False, ge=-1e15, le=1e15),
    AfterValidator(_one_spelling),
    PlainSerializer(_one_spelling, return_type=int | float),
]


class _OwnWords(Model):
    """An axis, whose fields mean nothing elsewhere: `start` is no start of a range of time."""

    @classmethod
    def _hint(cls, name: str, value: Any) -> FieldHint:
        return super()._hint(name, value)._replace(is_sure=True)


class Values(_OwnWords):
    """An axis by its values; they are kept ascending, so that the same set is numbered the same way."""

    # Fail fast: an error for each of a million wrong values takes minutes to put into words.
    values: tuple[Number, ...] = Field(min_length=1, fail_fast=True, examples=[[7, 14, 21]])

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        ordered = tuple(sorted(self.values))
        for value, following in pairwise(ordered):
            if value == following:
                raise PydanticCustomError(
                    "repeated_value", "the value {value} stands twice", {"value": f"{value:g}"}
                )
        object.__setattr__(self, "values", ordered)
        return self

    @property
    def count(self) -> int:
        return len(self.values)

    def at(self, index: int) -> float:
        return self.values[index]


class Steps(_OwnWords):
    """An axis from `start` to `stop`, included, in exact decimal steps: 0.1 + 0.2 is 0.3 here."""

    start: Number = Field(examples=[5])
    stop: Number = Field(examples=[200])
    step: Number = Field(examples=[5])

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.step <= 0:
            raise PydanticCustomError(
                "step_not_positive", "step must be above 0, got {step}", {"step": f"{self.step:g}"}
            )
        if self.start > self.stop:
            raise PydanticCustomError(
                "empty_axis",
                "start {start} is above stop {stop}",
                {"start": f"{self.start:g}", "stop": f"{self.stop:g}"},
            )
        if self._is_lost_in_rounding:
            raise PydanticCustomError(
                "too_many_steps",
                "step {step} is too small to count from {start} to {stop}",
                {"step": f"{self.step:g}", "start": f"{self.start:g}", "stop": f"{self.stop:g}"},
            )
        return self

    @property
    def _is_lost_in_rounding(self) -> bool:
        """True where a quotient has more digits than decimals carry, or neighbours would be the same number."""
        if self.start < self.stop and (self.start + self.step == self.start or self.stop - self.step == self.stop):
            return True
        try:
            return self.count < 1
        except InvalidOperation:
            return True

    @cached_property
    def _decimals(self) -> tuple[Decimal, Decimal]:
        return Decimal(repr(self.start)), Decimal(repr(self.step))

    @property
    def count(self) -> int:
        start, step = self._decimals
        return int((Decimal(repr(self.stop)) - start) // step) + 1

    def at(self, index: int) -> float:
        start, step = self._decimals
        return _one_spelling(float(start + index * step))


def _refuse_list(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        return value
    # Nobody can know whether [5, 10] means two values or all between them.
    few = ", ".join(f"{one:g}" for one in value[:4] if isinstance(one, int | float))
    raise PydanticCustomError(
        "list_as_axis",
        'a list is no axis: {"values": [{few}]} tries these values alone, {"start", "stop", "step"} a range',
        {"few": f"{few}, …" if few and len(value) > 4 else few or "…"},
    )


def _shape(value: Any) -> str:
    if isinstance(value, dict):
        return "<values>" if "values" in value else "<range>"
    if isinstance(value, Values):
        return "<values>"
    return "<range>" if isinstance(value, Steps) else "<scalar>"


Axis: TypeAlias = Annotated[
    Annotated[Number, BeforeValidator(_refuse_list), Tag("<scalar>")]
    | Annotated[Values, Tag("<values>")]
    | Annotated[Steps, Tag("<range>")],
    Discriminator(_shape),
]
"""A scalar, `{"values": […]}` or `{"start", "stop", "step"}`."""


def levels(axis: float | Values | Steps) -> Values | Steps:
    """Any axis as a sequence of its values, ascending."""
    return Values(values=(axis,)) if isinstance(axis, int | float) else axis


AnyAxis: TypeAlias = float | Values | Steps


def bounded(
    what: str, most: float, unit: str, *, below: bool = False, least: float = 0.0
) -> Callable[[AnyAxis], AnyAxis]:
    """Return a check that the values of an axis are above 0, from `least` on, and at most a bound, or below it."""
    words = {"what": what, "least": f"at least {least:g}" if least else "above 0"}
    words |= {"bound": "below" if below else "at most", "max": f"{most:g}", "unit": unit}

    def check(axis: AnyAxis) -> AnyAxis:
        sequence = levels(axis)
        for value in (sequence.at(0), sequence.at(sequence.count - 1)):
            if not (value > 0 and least <= value <= most) or (below and value == most):
                raise PydanticCustomError(
                    "out_of_bounds",
                    "{what} is {least} and {bound} {max} {unit}, got {value}",
                    {**words, "value": f"{value:g}"},
                )
        return axis

    return check
