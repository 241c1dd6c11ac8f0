"""A tool of the door as data, and one call of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from candleray.agents.answers import Answer
from candleray.sdk.client import Client
from candleray.validation import Model

Tell = Callable[[float, float | None, str], None]
"""Reports progress: how far, of how much if that is known, in words."""


class Effect(StrEnum):
    """The most that a call of the tool does to what the user has."""

    READS = "reads"
    COUNTS = "counts"
    """Leaves a mark: what was searched counts in later verdicts."""
    ADDS = "adds"
    ENDS = "ends"
    """Ends something that goes on."""


@dataclass
class Call:
    """One call: the SDK's client of whoever makes it, and the ways back to them."""

    client: Client
    tell: Tell
    sleep: Callable[[float], None] = time.sleep
    """Waits for so many seconds, no longer than the caller does."""
    undo: Callable[[Client], object] | None = None
    """Ends what the call follows, where the caller says that they want it no more."""


@dataclass(frozen=True)
class Tool:
    title: str
    takes: type[Model]
    gives: type[Answer]
    run: Callable[[Call, Any], Answer]
    effect: Effect = Effect.READS
    asks_exchanges: bool = False
    is_repeatable: bool = True
    """Called twice it does what it does called once."""
