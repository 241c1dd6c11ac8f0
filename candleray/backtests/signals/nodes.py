"""The nodes of a signal tree, told apart by the one key that says what a node is: `{"above": [a, b]}`."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, ClassVar, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, SerializationInfo, ValidationInfo
from pydantic_core import PydanticCustomError

from candleray.backtests.axes import Steps, Values
from candleray.field_hints import FieldHint, placed, shown_json
from candleray.validation import Model

Place: TypeAlias = tuple[str | int, ...]
"""A path within a request: `("signals", "long_entry", "all", 0)`."""


class Node(Model):
    """A part of a signal tree; its first field is the key that tells it apart."""

    model_config = ConfigDict(serialize_by_alias=True)

    noun: ClassVar[str] = "a part of a signal"
    """The kind of thing that it is, with its article: a condition or an operand."""
    is_compound: ClassVar[bool] = False
    """Its words are several parts, which stand in parentheses within another node."""

    @classmethod
    def key(cls) -> str:
        name, field = next(iter(cls.model_fields.items()))
        return field.alias or name

    @classmethod
    def _hint(cls, name: str, value: Any) -> FieldHint:
        """Return the place of a parameter that stands beside `id`, or of a field that another kind of node has."""
        own = cls.model_fields.keys()
        if "params" in own and not difflib.get_close_matches(name, own, n=1, cutoff=0.7):
            if isinstance(value, str):
                return FieldHint(f"inputs belong into {placed(('inputs',), name, value)}", is_sure=False)
            levels = ", levels of its rule into signal" if "signal" in own else ""
            words = f"parameters belong into {placed(('params',), name, value)}{levels}"
            return FieldHint(words, is_sure=False)
        for kind in kinds_of_nodes():
            if name in kind.model_fields and name not in (*own, kind.key()):
                written = f'{{"{kind.key()}": …, "{name}": {shown_json(value)}}}'
                return FieldHint(f"it belongs into {kind.noun}: {written}", is_sure=True)
        return super()._hint(name, value)

    def parts(self) -> Iterator[tuple[Place, Any]]:
        """Yield what is written within the node, each with its place there: nodes, names, numbers, axes."""
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            for place, part in _items(value):
                yield (field.alias or name, *place), part

    def with_parts(self, parts: Mapping[Place, Any]) -> Any:
        """Return the same node with other parts at these places."""
        changed: dict[str, Any] = {}
        for name, field in type(self).model_fields.items():
            value, key = getattr(self, name), field.alias or name
            if isinstance(value, tuple):
                changed[name] = tuple(parts.get((key, at), part) for at, part in enumerate(value))
            elif (key,) in parts:
                changed[name] = parts[key,]
        return self.model_copy(update=changed)


@cache
def kinds_of_nodes() -> tuple[type[Node], ...]:
    """Return every kind of node, in the order in which they are declared."""
    found: list[type[Node]] = []
    left: list[type[Node]] = [Node]
    while left:
        kind = left.pop(0)
        left += kind.__subclasses__()
        found += [kind] if kind.model_fields else []
    return tuple(found)


def form(parts: str, least: int, most: int) -> BeforeValidator:
    """Return a validator that says how a list is written, where it is none or has not so many parts.

    Args:
        parts: the list as it is written: "[condition, n]".
    """

    def check(value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, list | tuple) and least <= len(value) <= most:
            return value
        count = len(value) if isinstance(value, list | tuple) else None
        told = "as a list" if count is None else "not with one part" if count == 1 else f"not with {count} parts"
        words = {"form": f'{{"{info.field_name}": {parts}}}', "told": told}
        raise PydanticCustomError("wrong_form", "is written {form}, {told}", words)

    return BeforeValidator(check)


def _items(value: Any) -> Iterator[tuple[Place, Any]]:
    if isinstance(value, tuple):
        yield from (((at,), part) for at, part in enumerate(value))
    else:
        yield (), value


def is_number(value: Any) -> bool:
    """Tell if it is a number or an axis of numbers."""
    return isinstance(value, int | float | Values | Steps) and not isinstance(value, bool)


def is_axis(value: Any) -> bool:
    """Tell if JSON is an axis of numbers."""
    return isinstance(value, dict) and bool(value.keys() & {"values", "start", "stop", "step"})


def one_node(
    kinds: Mapping[str, type[Node]], noun: str, example: str, hint: Callable[[str], str]
) -> Callable[[Any], Node]:
    """Return a validator: a node of one of these kinds, or a refusal with the nearest of them.

    A union of models would do the same, but one of twenty that hold each other is deeper than Python's stack.

    Args:
        noun: what a node is, with its article: "a condition".
        example: of one, as JSON.
        hint: the tail of a message about an unknown key.
    """

    def check(value: Any) -> Node:
        if isinstance(value, Node) and type(value) in kinds.values():
            return value
        if isinstance(value, list | tuple) and "all" in kinds:
            raise PydanticCustomError(
                "not_a_node",
                "a list is no condition: {all_of} needs all of them, {any_of} one",
                {"all_of": '{"all": […]}', "any_of": '{"any": […]}'},
            )
        if not isinstance(value, dict):
            raise PydanticCustomError(
                "not_a_node", "{noun} is an object such as {example}", {"noun": noun, "example": example}
            )
        present = [key for key in kinds if key in value]
        if not present:
            raise _unknown(value, kinds, noun, example, hint)
        if len(present) > 1:
            raise PydanticCustomError(
                "two_kinds",
                "{first} and {second} in one object: {noun} is one of them, several stand in a list",
                {"first": repr(present[0]), "second": repr(present[1]), "noun": noun},
            )
        return kinds[present[0]].model_validate(value)

    return check


def _dumped(value: Any, info: SerializationInfo) -> Any:
    # Not left to pydantic: a model that came from another process is not built before its own methods are called.
    if not isinstance(value, BaseModel):
        return value
    return value.model_dump(
        mode=info.mode,
        by_alias=True,
        exclude_unset=info.exclude_unset,
        exclude_defaults=info.exclude_defaults,
        exclude_none=info.exclude_none,
    )


DUMPED = PlainSerializer(_dumped)
"""Serializes a node, a name, a number or an axis where any of them may stand."""


def _unknown(
    value: dict[Any, Any], known: Mapping[str, Any], noun: str, example: str, hint: Callable[[str], str]
) -> PydanticCustomError:
    if not value:
        return PydanticCustomError(
            "not_a_node", "{noun} is an object such as {example}", {"noun": noun, "example": example}
        )
    name = str(next(iter(value)))
    other = next((kind for kind in kinds_of_nodes() if kind.key() == name and name not in known), None)
    if other is not None:
        return PydanticCustomError(
            "not_a_node",
            "{name} is {other}, and here stands {noun}, such as {example}",
            {"name": repr(name), "other": other.noun, "noun": noun, "example": example},
        )
    return PydanticCustomError(
        "unknown_node",
        "unknown {kind} {name}; {hint}",
        {"kind": noun.split()[-1], "name": repr(name[:40]), "hint": hint(name)},
    )
