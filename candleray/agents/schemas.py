"""JSON schemas as assistants read them, who pay for every word: without what says nothing, and of requests an
outline.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from candleray.backtests.request import BacktestRequest

_WORDLESS = frozenset({"title", "default"})
_LIMITS_OF_NUMBERS = {"minimum": -1e15, "maximum": 1e15}
_ALTERNATIVES = ("anyOf", "oneOf")
_OUTLINED = ("type", "enum", "const", "properties", "items", "required")
_DEPTH = 2
_LONG_LIST = 12
"""An enumeration with more names is described elsewhere, and an error names the nearest."""
_GUIDE = (
    'An axis is a number, {"values": [...]} or {"start", "stop", "step"}. '
    "More: resource candleray://docs/howto/write-a-request"
)


def schema_taken(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of what a tool takes."""
    schema: dict[str, Any] = _trimmed(model.model_json_schema())
    return schema


def schema_given(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of what a tool gives, whose names say enough."""
    schema: dict[str, Any] = _without_words(schema_taken(model))
    return schema


def _without_words(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_words(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _without_words(one)
        for name, one in value.items()
        if name != "description" or not isinstance(one, str)
    }


def _trimmed(value: Any) -> Any:
    if isinstance(value, list):
        return [_trimmed(one) for one in value]
    if not isinstance(value, dict):
        return value
    if (other := _without_null(value)) is not None:
        return _trimmed({**other, **{name: one for name, one in value.items() if name not in _ALTERNATIVES}})
    if needed := value.get("required"):
        fields = value["properties"]
        value = {**value, "required": [name for name in needed if _without_null(fields[name]) is None]}
    return {
        name: {key: _trimmed(one) for key, one in inner.items()}
        if name in ("properties", "$defs")
        else _trimmed(inner)
        for name, inner in value.items()
        if name not in _WORDLESS and _LIMITS_OF_NUMBERS.get(name) != inner
    }


def _without_null(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """The only kind of value beside null; None where there is no such kind. Null itself is left out, not sent."""
    kinds = schema.get("anyOf", schema.get("oneOf", []))
    others = [kind for kind in kinds if kind != {"type": "null"}]
    return dict(others[0]) if len(others) == 1 and len(kinds) == 2 else None


@cache
def request_outline() -> dict[str, Any]:
    """The fields of a request and their kinds; the API checks the rest, and says what is wrong."""
    schema = _trimmed(BacktestRequest.model_json_schema())
    outline = _outlined(schema, schema["$defs"], _DEPTH)
    fields = {**outline["properties"], "strategy_id": {"type": "string"}}
    return {
        "type": "object",
        "description": f"A search, or a saved strategy by strategy_id over a time_range. {_GUIDE}",
        "properties": fields,
        "required": ["time_range"],
        "additionalProperties": False,
    }


def _outlined(schema: Mapping[str, Any], defs: Mapping[str, Any], depth: int) -> dict[str, Any]:
    if "$ref" in schema:
        return _outlined({**defs[schema["$ref"].rpartition("/")[2]]}, defs, depth)
    kept = {name: value for name, value in schema.items() if name in _OUTLINED}
    if len(kept.get("enum", ())) > _LONG_LIST:
        del kept["enum"]
    if depth == 0 and "enum" not in kept:
        return {"type": kept["type"]} if "type" in kept else {}
    if "properties" in kept:
        kept["properties"] = {name: _outlined(one, defs, depth - 1) for name, one in kept["properties"].items()}
    if "items" in kept:
        kept["items"] = _outlined(kept["items"], defs, depth)
    return kept


class _Outlined:
    """Annotation whose JSON schema is the outline of a request."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return request_outline()


Request: TypeAlias = Annotated[dict[str, Any], _Outlined]
"""A request of a backtest as the API takes it."""

SameRequest: TypeAlias = Annotated[dict[str, Any], Field(description="The request that was searched.")]
"""A request that was written for another tool: its outline stands there."""
