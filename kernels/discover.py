"""Finds the modules of a folder: an indicator or a rule is in the catalogue because its file is there."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType


def modules_of(package: ModuleType) -> Iterator[tuple[str, ModuleType]]:
    """The modules of a package by name, sorted; names that begin with `_` are skipped."""
    for name in sorted(module.name for module in pkgutil.iter_modules(package.__path__)):
        if not name.startswith("_"):
            yield name, importlib.import_module(f"{package.__name__}.{name}")
