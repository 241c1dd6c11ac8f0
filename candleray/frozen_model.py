"""The base of every model: frozen, without unknown fields, and built when it is first used.

Building a model's validator and reading the docstrings below its fields take milliseconds each. The SDK and the
command line import all models and use a few, so both wait until a model is used.
"""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache
from itertools import pairwise
from threading import RLock
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic._internal._model_construction import ModelMetaclass
from pydantic_core import CoreSchema

_set = object.__setattr__
_LOCK = RLock()
_under_way: set[type[BaseModel]] = set()
"""The models that are being built, within the lock."""


class BuiltAtFirstUse(ModelMetaclass):
    """Metaclass that puts off the building of a model, and not of a type adapter over it.

    The configuration `defer_build` would put off both, and the adapters of the API's routes are to be built when
    the API starts.
    """

    def __new__(mcs, name: str, bases: tuple[type[Any], ...], namespace: dict[str, Any], **options: Any) -> Any:
        model: Any = super().__new__(mcs, name, bases, namespace, **options, defer_build=True)
        model.model_config.pop("defer_build")
        return model


class FrozenModel(BaseModel, metaclass=BuiltAtFirstUse):
    """A frozen model without unknown fields; the docstring below a field is its description in schemas."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def of_fields(cls, fields: dict[str, Any]) -> Self:
        """Make one of all of its fields, unchecked; the mapping is kept.

        `model_construct` does the same in more than twice the time.
        """
        made = cls.__new__(cls)
        _set(made, "__dict__", fields)
        _set(made, "__pydantic_fields_set__", set(fields))
        _set(made, "__pydantic_extra__", None)
        _set(made, "__pydantic_private__", None)
        return made

    @classmethod
    def model_rebuild(cls, **options: Any) -> bool | None:
        # Pydantic's own is not safe among threads: one could use a model that another has not finished.
        with _LOCK:
            _under_way.add(cls)
            try:
                return super().model_rebuild(**options)
            finally:
                _under_way.discard(cls)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        describe_fields(cls)
        if cls not in _under_way:
            cls.model_rebuild()  # once for all models and adapters that it is a part of
        return handler(source)


def describe_fields(model: type[BaseModel]) -> None:
    """Give each field without a description the docstring below it."""
    for name, field in model.model_fields.items():
        if field.description is None:
            field.description = _docstring(model, name)


def _docstring(model: type[BaseModel], field: str) -> str | None:
    for base in model.__mro__:
        if field in inspect.get_annotations(base):
            return _docstrings(base.__module__).get((base.__name__, field))
    return None


@cache
def _docstrings(module: str) -> dict[tuple[str, str], str]:
    """The docstrings below the fields of a module's classes, by class and field."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except (KeyError, OSError, TypeError):  # a module without a source
        return {}
    return {
        (node.name, field.target.id): inspect.cleandoc(text.value.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for field, text in pairwise(node.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
