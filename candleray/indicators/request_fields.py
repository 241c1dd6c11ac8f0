"""The fields of narrowed requests: the values that one parameter or input of an indicator takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from candleray.backtests.axes import Axis, Number, Steps, Values, levels
from candleray.errors import nearest
from candleray.indicators.bounds import Bounds
from kernels.declare import Param

AnyAxis: TypeAlias = float | Values | Steps


def axis_field(param: Param, bounds: Bounds, max_values: int) -> Any:
    """Any axis of at most `max_values` values within the bounds; the parameter's default where left out."""
    check = _check_of(param, bounds, max_values)
    description = f"{param.description} ({bounds.min} to {bounds.max})"
    return (Annotated[Axis, AfterValidator(check)], Field(param.default, description=description))


def value_field(param: Param, bounds: Bounds) -> Any:
    """One value within the bounds; the parameter's default where left out."""
    kind = "integer" if param.kind == "int" else "number"
    schema = {"type": kind, "minimum": bounds.min, "maximum": bounds.max}
    check = AfterValidator(_check_of(param, bounds, max_values=1))
    return (
        Annotated[Number, check, WithJsonSchema(schema)],
        Field(param.default, description=param.description),
    )


def columns_field(columns: tuple[str, ...]) -> Any:
    """One column, or several as a list: `"close"` or `["close", "hlc3"]`."""

    def check(value: Any) -> Any:
        chosen = value["values"] if isinstance(value, dict) and set(value) == {"values"} else value
        names = chosen if isinstance(chosen, list | tuple) else [chosen]
        for name in names:
            if name not in columns:
                hint = nearest(str(name), columns)
                raise PydanticCustomError(
                    "unknown_column", "unknown column {name}; {hint}", {"name": repr(name), "hint": hint}
                )
        if len(set(names)) < len(names):
            raise PydanticCustomError("repeated_value", "a column stands twice")
        return tuple(sorted(names, key=columns.index)) if isinstance(chosen, list | tuple) else chosen

    literal: Any = Literal[columns]
    axis: Any = Annotated[literal | Annotated[tuple[literal, ...], Field(min_length=1)], BeforeValidator(check)]
    return (axis, Field(columns[0], description=f"one of {', '.join(columns)}, or several as a list"))


def column_field(columns: tuple[str, ...]) -> Any:
    """One column; the first where left out."""
    return (Literal[columns], columns[0])


def _check_of(param: Param, bounds: Bounds, max_values: int) -> Callable[[AnyAxis], AnyAxis]:
    def check(axis: AnyAxis) -> AnyAxis:
        sequence = levels(axis)
        if sequence.count > max_values:
            raise PydanticCustomError(
                "too_many_values",
                "{count} values on one axis, at most {limit}",
                {"count": sequence.count, "limit": max_values},
            )
        least, most = sequence.at(0), sequence.at(sequence.count - 1)
        for value in (least, most):
            if not bounds.min <= value <= bounds.max:
                raise PydanticCustomError(
                    "out_of_bounds",
                    "{value} is outside {min} to {max}",
                    {"value": f"{value:g}", "min": f"{bounds.min:g}", "max": f"{bounds.max:g}"},
                )
        if param.kind == "int":
            _check_whole(sequence)
        return axis

    return check


def _check_whole(sequence: Values | Steps) -> None:
    parts = sequence.values if isinstance(sequence, Values) else (sequence.start, sequence.step)
    for value in parts:
        if not float(value).is_integer():
            raise PydanticCustomError(
                "not_whole", "a whole number is needed, got {value}", {"value": f"{value:g}"}
            )
