"""Rows of text cells as aligned plain columns, for pipes, terminals and notebooks' text alike."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

_GAP = "  "


class Lines(NamedTuple):
    header: list[str]
    body: list[str]
    """The lines of each row, one after the other."""


def aligned(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, text: Collection[str] = (), width: int | None = None
) -> Lines:
    """The lines of a table; no cell is ever cut or broken.

    Args:
        text: the columns that are words, flush left; all others are numbers, flush right.
        width: where the lines would be longer, column names go over several lines and columns move together; where
            they are longer still, each row goes over several lines, and so do the names.
    """
    body, names = [tuple(row) for row in rows], [[name] for name in columns]
    if width is not None and _width(names, body, "  ") > width:
        names = [_pieces(name) for name in columns]
    gap = " " if width is not None and _width(names, body, "  ") > width else "  "
    if width is not None and _width(names, body, gap) > width:
        return _folded(columns, body, text, width)
    widths = _widths(names, body)
    depth = max(len(name) for name in names)
    over = [[""] * (depth - len(name)) + name for name in names]

    def line(cells: Sequence[str]) -> str:
        return gap.join(_padded(columns, cells, widths, text)).rstrip()

    return Lines([line(cells) for cells in zip(*over, strict=True)], [line(cells) for cells in body])


def _folded(columns: Sequence[str], body: Sequence[Sequence[str]], text: Collection[str], width: int) -> Lines:
    """Lay each row over several lines, those behind its first indented, with as many columns on each as fit."""
    widths = _widths([[name] for name in columns], body)
    groups, used = [[0]], widths[0]
    for column in range(1, len(columns)):
        if used + len(_GAP) + widths[column] > width:
            groups.append([])
            used = 0
        groups[-1].append(column)
        used += len(_GAP) + widths[column]

    def lines(cells: Sequence[str]) -> list[str]:
        padded = _padded(columns, cells, widths, text)
        parts = [_GAP.join(padded[column] for column in group).rstrip() for group in groups]
        return [parts[0], *(_GAP + part for part in parts[1:])]

    return Lines(lines(columns), [line for row in body for line in lines(row)])


def _padded(
    columns: Sequence[str], cells: Sequence[str], widths: Sequence[int], text: Collection[str]
) -> list[str]:
    return [
        cell.ljust(size) if column in text else cell.rjust(size)
        for column, cell, size in zip(columns, cells, widths, strict=True)
    ]


def _pieces(name: str) -> list[str]:
    """Places at which a name may break: at spaces, behind dots and underscores."""
    return re.sub(r"([._])(?=\S)", r"\1 ", name).split() or [""]


def _widths(names: Sequence[Sequence[str]], body: Sequence[Sequence[str]]) -> list[int]:
    return [
        max(len(cell) for cell in (*name, *(row[column] for row in body))) for column, name in enumerate(names)
    ]


def _width(names: Sequence[Sequence[str]], body: Sequence[Sequence[str]], gap: str) -> int:
    return sum(_widths(names, body)) + len(gap) * (len(names) - 1)


def duration_text(seconds: float) -> str:
    """`0.61 s`, `12 s`, `2.1 min`, `5 h` or `1,200 days`: two digits tell enough."""
    amount = seconds
    for units_of_next, unit in ((60.0, "s"), (60.0, "min"), (24.0, "h")):
        if abs(amount) < 99.5:
            return f"{amount:.2g} {unit}"
        amount /= units_of_next
    return f"{amount:,.0f} days"
