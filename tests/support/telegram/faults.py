"""Faults of a Bot API: named ones for the next requests, and a share of all others, drawn by a seed."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from random import Random


class Fault(Enum):
    TOO_MANY = "429"
    SERVER_ERROR = "5xx"
    CUT = "cut after acceptance"
    CUT_BEFORE = "cut before acceptance"
    BAD_REQUEST = "400"


@dataclass
class Faults:
    shares: Mapping[Fault, float] = field(default_factory=dict)
    """The part of the sends that meets each of them."""
    retry_after_s: int = 1
    seed: int = 7
    next: deque[Fault | None] = field(default_factory=deque)
    """Faults of the next sends; `None` for a send without one."""
    drawn: dict[Fault, int] = field(default_factory=dict)
    """The number of times that each was met."""

    def __post_init__(self) -> None:
        self._random = Random(self.seed)

    def draw(self) -> Fault | None:
        fault = self.next.popleft() if self.next else self._by_share()
        if fault:
            self.drawn[fault] = self.drawn.get(fault, 0) + 1
        return fault

    def _by_share(self) -> Fault | None:
        drawn = self._random.random()
        for fault, share in self.shares.items():
            if drawn < share:
                return fault
            drawn -= share
        return None
