"""The public surface of `candleray`: what is exported is there, and nothing else is."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pandas as pd
import pyarrow as pa

import candleray
from candleray import Client, ListedJob, SubmittedJob
from candleray.candles import CandleRows
from candleray.errors import Problem, error_classes

TYPE_CHECKING_NAMES = {"pa": pa, "pd": pd, "CandleRows": CandleRows}


def classes_in(hint: Any) -> Iterator[str]:
    """Yield the names of our classes in a type and in its arguments."""
    if isinstance(hint, type) and hint.__module__.startswith("candleray"):
        yield hint.__name__
    for argument in hint if isinstance(hint, list) else get_args(hint):
        yield from classes_in(argument)


def classes_of_the_methods() -> set[str]:
    methods = [
        method
        for cls in (Client, SubmittedJob, ListedJob)
        for name, method in inspect.getmembers(cls, inspect.isfunction)
        if not name.startswith("_") and method.__module__.startswith("candleray")
    ]
    hints = [hint for method in methods for hint in get_type_hints(method, localns=TYPE_CHECKING_NAMES).values()]
    return {name for hint in hints for name in classes_in(hint)}


def names_for_type_checkers() -> set[str]:
    source = ast.parse(Path(candleray.__file__).read_text())
    imports = [node for node in ast.walk(source) if isinstance(node, ast.ImportFrom)]
    return {alias.name for node in imports for alias in node.names if alias.asname == alias.name}


def test_everything_exported_is_there_and_every_error_is_exported():
    errors = {cls.__name__ for cls in error_classes().values() if cls.__module__ == "candleray.errors"}
    assert set(candleray.__all__) == {"Problem", "__version__"} | names_for_type_checkers() | errors
    assert all(getattr(candleray, name) is not None for name in candleray.__all__)
    assert candleray.Problem is Problem
    assert dir(candleray) == candleray.__all__ == sorted(candleray.__all__)


def test_whatever_the_methods_take_or_return_is_exported():
    errors = {cls.__name__ for cls in error_classes().values()}
    assert names_for_type_checkers() == ({"Client"} | classes_of_the_methods()) - errors
    assert {"WidgetLogin", "TokenRequest", "CandleRows", "JobTop"} <= classes_of_the_methods()


def test_an_unknown_member_is_an_attribute_error():
    assert not hasattr(candleray, "Klient")
