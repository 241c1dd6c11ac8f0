"""The roster of the duties: those of the modules of this folder that have `duties`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from candleray.duties.duty import Duty, Means


def find_duties(means: Means) -> list[Duty]:
    found: list[Duty] = []
    for file in iter_modules([str(Path(__file__).parent)]):
        duties = getattr(import_module(f"{__package__}.{file.name}"), "duties", None)
        if callable(duties):
            found += duties(means)
    return found
