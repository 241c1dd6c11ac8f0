"""The one table of a run: rows, how they print, how they are written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.bench.timing import Timing

_SCALES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (0.0, "ns"))


@dataclass(frozen=True)
class Row:
    """One measurement. `ahead` is its time over ours (a peer), `behind` ours over its (a limit)."""

    section: str
    name: str
    per: str
    cpu_s: float | None = None
    wall_s: float | None = None
    value: float | None = None
    unit: str = ""
    ahead: float | None = None
    behind: float | None = None
    note: str = ""

    @staticmethod
    def timed(section: str, name: str, per: str, timing: Timing, **more: Any) -> Row:
        return Row(section, name, per, timing.cpu_s, timing.wall_s, **more)

    @staticmethod
    def peer(section: str, name: str, per: str, timing: Timing, ours: Timing, note: str = "") -> Row:
        return Row.timed(section, name, per, timing, ahead=timing.cpu_s / ours.cpu_s, note=note)

    @staticmethod
    def limit(section: str, name: str, per: str, timing: Timing, ours: Timing, note: str = "") -> Row:
        return Row.timed(section, name, per, timing, behind=ours.cpu_s / timing.cpu_s, note=note)

    def cells(self) -> tuple[str, ...]:
        measured = f"{self.value:,.4g} {self.unit}".strip() if self.value is not None else _seconds(self.cpu_s)
        return (
            self.section,
            self.name,
            self.per,
            measured,
            _seconds(self.wall_s),
            _times(self.ahead),
            _times(self.behind),
            self.note,
        )


HEADER = ("section", "what", "per", "CPU", "wall", "ours ahead of it", "ours behind it", "note")


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return ""
    scale, unit = next((scale, unit) for scale, unit in _SCALES if seconds >= scale)
    return f"{seconds / (scale or 1e-9):.3g} {unit}" if seconds < 999 else f"{seconds:.0f} s"


def _times(ratio: float | None) -> str:
    if ratio is None:
        return ""
    return f"{ratio:,.0f} ×" if ratio >= 100 else f"{ratio:.2f} ×"


def as_text(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, aligned for a terminal."""
    lines = [HEADER, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    rule = tuple("-" * width for width in widths)
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in (HEADER, rule, *lines[1:])
    )


def write_json(path: Path, about: dict[str, Any], rows: Sequence[Row]) -> None:
    path.write_text(json.dumps({"about": about, "rows": [asdict(row) for row in rows]}, indent=1) + "\n")
