"""The tail of a message about an unknown field: its right place in the request, or the nearest known one."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Literal, NamedTuple, TypeAlias, get_args, get_origin

from pydantic import BaseModel

from candleray.errors import nearest

Way: TypeAlias = tuple[str, ...]
"""The fields that lead from a model to one within it: `("risk",)`."""

_CLOSE_ELSEWHERE = 0.76
"""Likeness to a field that stands elsewhere: a shorter one would send people to the wrong place, as `window` to
`risk.atr_window`."""


class FieldHint(NamedTuple):
    """Words about an unknown field."""

    text: str
    is_sure: bool
    """True where it names the place of that very field: no model around knows it better."""


def hint_of(model: type[BaseModel], name: str, value: Any) -> FieldHint:
    """Return the place of a field that stands elsewhere below the model; else the nearest of its own."""
    if ways(model).get(name):
        return FieldHint(f"it belongs into {placed(ways(model)[name], name, value)}", is_sure=True)
    if word := _other_words(model).get(name.lower()):
        return FieldHint(f"it is written {placed(ways(model).get(word, ()), word, value)}", is_sure=True)
    own = [field.alias or key for key, field in model.model_fields.items()]
    elsewhere = [one for one in ways(model) if one not in own]
    nearest_own = difflib.get_close_matches(name[:64].lower(), own, n=1, cutoff=_CLOSE_ELSEWHERE)
    close = difflib.get_close_matches(name[:64].lower(), elsewhere, n=1, cutoff=_CLOSE_ELSEWHERE)
    if close and not nearest_own:
        holder = ".".join(ways(model)[close[0]])
        return FieldHint(f"did you mean {close[0]!r}, which belongs into {holder}?", is_sure=False)
    return FieldHint(nearest(name, own), is_sure=False)


def hint_from_around(model: type[BaseModel], path: tuple[str | int, ...], value: Any) -> str | None:
    """Return the place of a field that one within the model does not know, and the model does."""
    around, name = [str(part) for part in path[:-1] if not str(part).startswith("<")], str(path[-1])
    if name in model.model_fields:
        return f"it belongs beside {around[0]}, not into it"
    way = ways(model).get(name)
    if way is None:
        return None
    if list(way) == around:
        return _of_another_kind(model, way, name)
    return f"it belongs into {placed(way, name, value)}"


def _of_another_kind(model: type[BaseModel], way: Way, name: str) -> str | None:
    """Return what makes the holder one that has the field, of a union of several: `"mode": "fixed_quote"`."""
    for holder_name, holder in _inner_models(model):
        if way == (holder_name,) and name in holder.model_fields:
            for key, field in holder.model_fields.items():
                if get_origin(field.annotation) is Literal:
                    return f'it belongs to {holder_name} of "{key}": "{get_args(field.annotation)[0]}"'
    return None


def placed(way: Way, name: str, value: Any) -> str:
    """Return a field at its place as JSON, behind the place's name: `risk: "risk": {"sl_pct": 2}`."""
    if not way:
        return f'"{name}": {shown_json(value)}'
    opening = "".join(f'"{part}": {{' for part in way)
    return f'{".".join(way)}: {opening}"{name}": {shown_json(value)}{"}" * len(way)}'


def required_json(model: type[BaseModel]) -> str:
    """Return an object with the fields that must be there; nothing where there are none, or many."""
    names = [field.alias or name for name, field in model.model_fields.items() if field.is_required()]
    return "{" + ", ".join(f'"{name}": …' for name in names) + "}" if 0 < len(names) <= 4 else ""


@cache
def ways(model: type[BaseModel]) -> Mapping[str, Way]:
    """Return every field of the models within a model, with the way to its holder; the shortest way counts.

    What stands in lists is left out, since it has no one place, and so are axes, which are values, and names that
    mean other things elsewhere: the `common_names` of a model.
    """
    found: dict[str, Way] = {}
    left: list[tuple[type[BaseModel], Way]] = [(model, ())]
    seen = {model}
    while left:
        holder, way = left.pop(0)
        for name, inner in _inner_models(holder):
            if inner in seen:
                continue
            seen.add(inner)
            left.append((inner, (*way, name)))
            for one in inner.model_fields.keys() - getattr(inner, "common_names", ()):
                found.setdefault(one, (*way, name))
    return {name: way for name, way in found.items() if name not in model.model_fields}


@cache
def _other_words(model: type[BaseModel]) -> Mapping[str, str]:
    """Return words that people write for a field of a model or of those within it."""
    words: dict[str, str] = {}
    left, seen = [model], {model}
    while left:
        one = left.pop(0)
        words = {**getattr(one, "other_words", {}), **words}
        fresh = [inner for _, inner in _inner_models(one) if inner not in seen]
        seen |= set(fresh)
        left += fresh
    return words


def _inner_models(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    for name, field in model.model_fields.items():
        for inner in _models_in(field.annotation):
            yield name, inner


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models that a field may be; none of one that may be a number as well."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    parts = get_args(annotation)
    if getattr(annotation, "__origin__", None) in (tuple, list, dict) or _has_number(annotation):
        return
    for part in parts:
        yield from _models_in(part)


def _has_number(annotation: Any) -> bool:
    return annotation is float or any(map(_has_number, get_args(annotation)))


def shown_json(value: Any) -> str:
    """Return short JSON as it is, and dots for what is long."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return "…"
    return text if len(text) <= 40 else "…"
