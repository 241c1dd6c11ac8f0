"""Numbers beside their bounds, in tables; what is beyond its bound is marked and counted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Number:
    """A measured number as it is shown, and whether its bound holds."""

    shown: str
    holds: bool = True

    def __str__(self) -> str:
        return self.shown if self.holds else f"**{self.shown}**"


@dataclass(frozen=True)
class Table:
    """A table of one question; its bounds stand in the header."""

    title: str
    header: Sequence[str]
    rows: list[Sequence[str | Number]] = field(default_factory=list)
    remark: str = ""

    @property
    def broken(self) -> list[str]:
        """The numbers that are beyond their bounds, by row and column."""
        return [
            f"{self.title}: {row[0]}, {name}: {cell.shown}"
            for row in self.rows
            for name, cell in zip(self.header, row, strict=True)
            if isinstance(cell, Number) and not cell.holds
        ]

    def __str__(self) -> str:
        lines = [self.header, ["---"] * len(self.header), *([str(cell) for cell in row] for row in self.rows)]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"## {self.title}\n\n{table}\n" + (f"\n{self.remark}\n" if self.remark else "")


def at_most(share: float, most: float) -> Number:
    return Number(percent(share), share <= most)


def at_least(share: float, least: float) -> Number:
    return Number(percent(share), share >= least)


def near(mean: float, error: float, wanted: float, within: float) -> Number:
    """Return a mean with the half of its interval of 95 %, which is not allowed for."""
    return Number(f"{mean:.3f} ± {1.96 * error:.3f}", abs(mean - wanted) <= within)


def percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def number(value: float, digits: int = 2) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}f}"
