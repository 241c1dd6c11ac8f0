"""The size of a signal tree, measured before any of it is validated: a hostile one is refused in no time."""

from __future__ import annotations

from typing import Any

from pydantic import BeforeValidator, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from candleray.backtests.signals.nodes import Node, Place, is_axis

MAX_NODES = 32
"""Conditions and operands of `signals`, and of `let`; names and numbers count as nothing."""
MAX_DEPTH = 6
"""Conditions within one another."""
MAX_ARITHMETIC = 3
"""Sums, products and the like within one another, through names too."""
_MAX_RAW_DEPTH = 16
_MAX_ITEMS = 32
_MAX_VALUES = 200_000
"""Written values of an axis, counted before each is looked at; the setting `max_axis_values` may allow fewer."""

_LEAVES = ("inputs", "params", "signal", "instrument")
"""Fields of a node whose content is no node."""


def _refuse(place: Place, found: str) -> ValidationError:
    error = PydanticCustomError(
        "too_many_nodes",
        "{found}: at most {nodes} conditions and operands, {depth} conditions within one another",
        {"found": found, "nodes": MAX_NODES, "depth": MAX_DEPTH},
    )
    return ValidationError.from_exception_data("Signals", [InitErrorDetails(type=error, loc=place, input=None)])


def check_size(value: Any) -> Any:
    """Refuse a tree of too many nodes, at the first node too many; a tree that holds itself is one."""
    count = 0
    left: list[tuple[Any, Place]] = [(value, ())]
    while left:
        part, place = left.pop()
        if isinstance(part, Node):
            continue  # validated before
        if isinstance(part, list | tuple):
            if len(part) > _MAX_ITEMS:
                raise _refuse(place, f"a list of {len(part)}")
            left.extend((one, (*place, at)) for at, one in reversed(list(enumerate(part))))
            continue
        if is_axis(part):
            _check_values(part, place)
        if not isinstance(part, dict) or is_axis(part):
            continue
        if len(part) > _MAX_ITEMS:
            raise _refuse(place, f"{len(part)} names in one object")
        if place:
            count += 1
        # A named condition or operand of the outermost object is a node itself; so is each within it.
        if count > MAX_NODES:
            raise _refuse(place, f"more than {MAX_NODES} nodes")
        if len(place) > 2 * _MAX_RAW_DEPTH:
            raise _refuse(place[:8], "nodes too deep within one another")
        for key in _LEAVES:
            _check_fields(part.get(key), (*place, key))
        left.extend((one, (*place, key)) for key, one in part.items() if key not in _LEAVES)
    return value


def _check_fields(fields: Any, place: Place) -> None:
    """Refuse too many fields of an indicator, too many columns of one, and what is nested in it."""
    if not isinstance(fields, dict):
        return
    if len(fields) > _MAX_ITEMS:
        raise _refuse(place, f"{len(fields)} names in one object")
    for name, field in fields.items():
        if isinstance(field, list | tuple) and len(field) > _MAX_ITEMS:
            raise _refuse((*place, name), f"a list of {len(field)}")
        if is_axis(field):
            _check_values(field, (*place, name))


def _check_values(axis: Any, place: Place) -> None:
    values = axis.get("values")
    if isinstance(values, list | tuple) and len(values) > _MAX_VALUES:
        numbers = {"count": len(values), "limit": _MAX_VALUES}
        error = PydanticCustomError("too_many_values", "{count} values on one axis, at most {limit}", numbers)
        raise ValidationError.from_exception_data("Signals", [InitErrorDetails(type=error, loc=place, input=None)])


LimitedSize = BeforeValidator(check_size)
