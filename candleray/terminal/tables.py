"""Tables of text cells on a console."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from candleray.text_table import aligned

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import Console


def print_table(
    console: Console,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    title: str = "",
    text: Collection[str] = (),
) -> None:
    """Print rows of cells.

    Args:
        text: the columns that are words; all others are numbers, aligned to the right.
    """
    if title:
        console.print(title, style="bold")
    lines = aligned(columns, rows, text=text, width=console.width if console.is_terminal else None)
    for line in lines.header:
        console.print(line, style="bold cyan")
    for line in lines.body:
        console.print(line)


def number_text(value: float | None) -> str:
    """Up to 12 significant digits; a dash for None."""
    return "–" if value is None else f"{value:.12g}"


def minute_text(moment: datetime) -> str:
    """`2025-01-01T00:00Z`."""
    return f"{moment:%Y-%m-%dT%H:%MZ}"


def second_text(moment: datetime) -> str:
    """`2025-01-01T00:00:00Z`."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
