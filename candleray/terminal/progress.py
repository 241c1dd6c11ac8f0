"""Progress of long work on stderr: a live bar in a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from candleray.terminal.console import notes

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn

LINE_EVERY_S = 5.0
"""Work that takes no longer prints no line: most commands in a pipe stay silent."""


@contextmanager
def progress(
    *columns: ProgressColumn, transient: bool = False, console: Console | None = None
) -> Iterator[Progress]:
    """A display of tasks, by these columns; on stderr, or below the lines of the console that is given."""
    from rich.progress import Progress

    console = console or notes()
    display = Progress(*columns, console=console, disable=not console.is_terminal, transient=transient)
    if console.is_terminal:
        with display:
            yield display
        return
    ended = threading.Event()
    teller = threading.Thread(target=_tell, args=(display, console, ended), daemon=True)
    teller.start()
    try:
        yield display
    finally:
        ended.set()
        teller.join()


@contextmanager
def working(what: str, console: Console | None = None) -> Iterator[Callable[[str], None]]:
    """A sign of life, with the time so far, of work that tells little of its course; it yields what changes it."""
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    with progress(
        SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), transient=True, console=console
    ) as display:
        task = display.add_task(what, total=None)
        yield lambda now: display.update(task, description=now)


def _tell(display: Progress, console: Console, ended: threading.Event) -> None:
    began = time.monotonic()
    while not ended.wait(LINE_EVERY_S):
        for line in _lines(display):
            console.print(f"{time.monotonic() - began:.0f} s: {line}")


def _lines(display: Progress) -> Iterator[str]:
    """One line a task, of those columns that are words."""
    from rich.progress import SpinnerColumn, TaskProgressColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.text import Text

    for task in display.tasks:
        words = []
        for column in display.columns:
            unknown = (isinstance(column, TaskProgressColumn) and task.total is None) or (
                isinstance(column, TimeRemainingColumn) and task.time_remaining is None
            )
            cell = (
                None
                if isinstance(column, str | SpinnerColumn | TimeElapsedColumn) or unknown
                else column.render(task)
            )
            if isinstance(cell, Text) and (text := cell.plain.strip()):
                words.append(f"{text} left" if isinstance(column, TimeRemainingColumn) else text)
        yield "  ".join(words)
