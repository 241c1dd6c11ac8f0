"""Answers of tools: rounded for reading, at most four kilobytes, with the next calls named."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from candleray.validation import Model

MOST_BYTES = 4096
"""A dozen such answers are a tenth of what an assistant keeps in mind."""

_DIGITS = 5
_KEPT_WHOLE = frozenset({"next", "exact", "left_out"})
_LEFT_OUT_BYTES = 160


class NextCall(Model):
    """A call that may follow, with its arguments."""

    tool: str
    arguments: dict[str, Any] = {}
    why: str


class Answer(Model):
    """The answer of a tool, as people would read it."""

    next: tuple[NextCall, ...] = ()
    """Calls that may follow."""
    exact: str | None = None
    """The resource that holds the exact values, in full."""
    left_out: str | None = None
    """Entries that were left out, so that the answer stays short."""


def readable(answer: Answer) -> dict[str, Any]:
    """The answer as JSON: rounded, without what is empty and need not be there, and short."""
    needed = {name for name, field in type(answer).model_fields.items() if field.is_required()}
    content = _rounded(answer.model_dump(mode="json", exclude_none=True))
    return fitted({name: one for name, one in content.items() if name in needed or one not in ([], {}, "")})


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list) else value


def text_of(content: Mapping[str, Any]) -> str:
    """The JSON as it is sent."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def size_of(content: Any) -> int:
    return len(text_of(content).encode())


def fitted(content: dict[str, Any], most: int = MOST_BYTES) -> dict[str, Any]:
    """The content in at most so many bytes: the longest lists lose their last entries, and it says how many.

    Where no list is left to shorten, the longest texts are cut.
    """
    lost: dict[str, int] = {}
    most -= 0 if size_of(content) <= most else _LEFT_OUT_BYTES
    while size_of(content) > most:
        place, entries = max(_lists_of(content), key=lambda found: size_of(found[1]), default=("", []))
        if not entries:
            _cut_texts(content, most)
            break
        dropped = max(1, len(entries) // 8)
        del entries[-dropped:]
        lost[place] = lost.get(place, 0) + dropped
    if lost:
        content["left_out"] = ", ".join(f"{count} of {place}" for place, count in lost.items())[:_LEFT_OUT_BYTES]
    return content


def _lists_of(content: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """Lists with entries to lose, by the field that they lie in."""
    for name, value in content.items():
        if name not in _KEPT_WHOLE:
            yield from _lists_in(name, value)


def _lists_in(name: str, value: Any) -> Iterator[tuple[str, list[Any]]]:
    if isinstance(value, list) and value:
        yield name, value
        for one in value:
            yield from _lists_in(name, one)
    if isinstance(value, dict):
        for inner, one in value.items():
            yield from _lists_in(inner, one)


def _cut_texts(content: dict[str, Any], most: int) -> None:
    """Halve the longest text until all fits."""
    while size_of(content) > most:
        holder, name = max(_texts_in(content), key=lambda place: len(place[0][place[1]]))
        holder[name] = f"{holder[name][: len(holder[name]) // 2]}…"


def _texts_in(value: Any) -> Iterator[tuple[Any, Any]]:
    """Places of texts: what holds each, and its name or number there."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in pairs:
        if isinstance(one, str):
            yield value, name
        else:
            yield from _texts_in(one)
