"""Rows on their way into the store: the progress display, and what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.progress import BarColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

    from candleray.market_data.insert_report import InsertReport


class RowsColumn(ProgressColumn):
    """The rows done, the number of all rows where it is known, and the rows a second."""

    def render(self, task: Task) -> Text:
        total = "" if task.total is None else f" of {task.total:,.0f}"
        speed = "" if task.speed is None else f", {task.speed:,.0f}/s"
        return Text(f"{task.completed:,.0f}{total} rows{speed}")


ROW_COLUMNS: tuple[ProgressColumn, ...] = (
    TextColumn("{task.description}"),
    BarColumn(bar_width=20),
    RowsColumn(),
    TimeRemainingColumn(),
)
"""The columns of a progress display that counts rows."""


def print_inserted(console: Console, source: str, report: InsertReport) -> None:
    """Print what became of the rows of one source, with a line for each reason of refusal."""
    console.print(
        f"{source}: {report.received:,} rows read, {report.written:,} written, "
        f"{report.unchanged:,} unchanged, {report.refused_count:,} refused"
    )
    print_changed(console, report)
    print_refused(console, report)


def print_changed(console: Console, report: InsertReport) -> None:
    if report.changed:
        console.print(
            f"  changed {report.changed:,} stored minutes: everybody's backtests over them have other numbers now",
            style="yellow",
        )


def print_refused(console: Console, report: InsertReport) -> None:
    for refused in report.refused:
        console.print(
            f"  refused {refused.count:,}: {refused.reason}; first: {refused.first_example}", style="yellow"
        )
