"""Table of paths and methods, for answers to requests that match none."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from fastapi.routing import APIRoute


class RouteTable:
    def __init__(self, routes: Iterable[APIRoute]) -> None:
        self._routes = tuple(routes)

    def methods(self, path: str) -> list[str]:
        """The methods of a path, as an `Allow` header lists them; empty where there is no such path."""
        matching = [route for route in self._routes if route.path_regex.match(path)]
        methods = {method for route in matching for method in route.methods or ()}
        if "GET" in methods:
            methods.add("HEAD")
        return sorted(methods | {"OPTIONS"}) if methods else []

    def nearest(self, path: str) -> str:
        """The tail of a message about an unknown path."""
        paths = sorted({route.path for route in self._routes})
        close = difflib.get_close_matches(path[:200], paths, n=1, cutoff=0.5)
        return f"did you mean {close[0]}?" if close else "GET /docs lists what there is"
