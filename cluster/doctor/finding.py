"""A finding of the doctor: what was looked at, how it is, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import NamedTuple

from candleray.errors import CandlerayError, in_words
from candleray.frozen_model import FrozenModel
from candleray.settings import Settings
from cluster.instance.instance_file import Instance
from cluster.machine.data_folder import DataFolder


class Level(StrEnum):
    GOOD = "good"
    WARNING = "warning"
    """Works, and may not for long, or not well."""
    FAULT = "fault"
    """Keeps an instance from starting, or loses what it should keep."""


class Finding(FrozenModel):
    about: str
    level: Level
    said: str
    remedy: str = ""


class Patient(NamedTuple):
    """Everything that the doctor looks at."""

    settings: Settings
    folder: DataFolder
    running: Instance | None
    """The instance that runs in the folder now."""


Check = Callable[[Patient], Iterator[Finding]]


def good(about: str, said: str) -> Finding:
    return Finding(about=about, level=Level.GOOD, said=said)


def warning(about: str, said: str, remedy: str) -> Finding:
    return Finding(about=about, level=Level.WARNING, said=said, remedy=remedy)


def fault(about: str, said: str, remedy: str) -> Finding:
    return Finding(about=about, level=Level.FAULT, said=said, remedy=remedy)


def found_by(about: str, check: Check, patient: Patient) -> list[Finding]:
    """Return what a check finds; where it breaks itself, that."""
    try:
        return list(check(patient))
    except CandlerayError as error:
        said, _, remedy = error.message.partition(": ")
        return [fault(about, said, remedy)]
    except Exception as error:  # noqa: BLE001 - of whatever kind: the other checks go on
        return [warning(about, f"could not be looked at: {in_words(error)}", "")]
