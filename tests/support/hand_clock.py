"""A clock that a test sets forward by hand."""

from __future__ import annotations


class HandClock:
    def __init__(self, now_s: float = 1000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s
