"""The OpenAPI document as tests walk it: what a route takes is found there on the day it exists."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from serve_apps.api import build_api
from tests.support.api.in_process_api import backend

Place = tuple[str | int, ...]
"""Keys and positions that lead to a value of a body."""


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    described: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_public(self) -> bool:
        return "x-scope" not in self.described

    @property
    def ids(self) -> list[str]:
        """The names in its path."""
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]

    @property
    def bodies(self) -> list[Any]:
        """The documented examples of its JSON body."""
        content = self.described.get("requestBody", {}).get("content", {}).get("application/json", {})
        return [json.loads(json.dumps(example["value"])) for example in content.get("examples", {}).values()]

    @property
    def query(self) -> dict[str, Any]:
        """The names its query takes, and the documented example of each, if there is one."""
        asked = [one for one in self.described.get("parameters", ()) if one["in"] == "query"]
        return {one["name"]: next(iter(one["schema"].get("examples", ())), None) for one in asked}

    @property
    def required_query(self) -> dict[str, Any]:
        asked = {one["name"] for one in self.described.get("parameters", ()) if one.get("required")}
        return {name: value for name, value in self.query.items() if name in asked}


@cache
def _document() -> str:
    return json.dumps(build_api(backend(object())).openapi())


def document() -> dict[str, Any]:
    """The whole document, the caller's own; it takes 2 s to make, so that a process does so once."""
    return dict(json.loads(_document()))


@cache
def operations() -> tuple[Operation, ...]:
    paths = document()["paths"]
    return tuple(
        Operation(method.upper(), path, described)
        for path, methods in paths.items()
        for method, described in methods.items()
    )


def places(value: Any, here: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every value of a body that holds no others, and where it stands."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if inner is None:
        yield here, value
        return
    for key, content in inner:
        yield from places(content, (*here, key))


def replaced(body: Any, place: Place, value: Any) -> Any:
    """The same body with another value at that place."""
    if not place:
        return value
    first, *rest = place
    if isinstance(body, list):
        return [replaced(one, tuple(rest), value) if at == first else one for at, one in enumerate(body)]
    return {**body, first: replaced(body[first], tuple(rest), value)}


def with_ids(body: Any, ids: dict[str, str]) -> Any:
    """The same body with these ids wherever it names one of their kind."""
    for place, _ in list(places(body)):
        if place and place[-1] in ids:
            body = replaced(body, place, ids[str(place[-1])])
    return body
