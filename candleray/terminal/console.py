"""Consoles of the command line: tables and JSON go to stdout, notes, progress and errors to stderr.

In a pipe or a file the output is plain and complete: no colour, no width to break or cut a line at.
"""

from __future__ import annotations

import sys
from typing import IO, TYPE_CHECKING, Any

from candleray.errors import CandlerayError

if TYPE_CHECKING:
    from rich.console import Console


def output() -> Console:
    """A console on stdout; made when used, because tests and pipes replace the stream."""
    return _console(sys.stdout)


def notes() -> Console:
    """A console on stderr."""
    return _console(sys.stderr)


def _console(stream: IO[str]) -> Console:
    from rich.console import Console

    # A terminal breaks a line that is too long at its edge; rich would cut it or break it at a space.
    return Console(file=stream, highlight=False, emoji=False, markup=False, soft_wrap=True)


def print_json(content: Any) -> None:
    """Print a model, or anything made of models, dicts and lists, as one line of JSON on stdout."""
    from candleray.sdk.connection import encoded

    sys.stdout.buffer.write(encoded(content) + b"\n")


def show_error(error: CandlerayError) -> None:
    """Print one red line, and a line for each field that is wrong unless the first line says it all."""
    console = notes()
    console.print(f"error: {error.message}", style="bold red")
    for note in getattr(error, "__notes__", ()):
        console.print(f"  {note}", style="yellow")
    if len(error.problems) == 1 and error.problems[0].message in error.message:
        return
    for problem in error.problems:
        console.print(f"  {problem}")
