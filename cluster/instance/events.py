"""Events that a supervisor reports while it works, to three places: a terminal, a pipe, a log."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import IO, Literal

from rich.console import Console

from candleray.logs import get_logger
from candleray.terminal.progress import working


@dataclass(frozen=True)
class Event:
    kind: Literal["starting", "started", "stopped", "noticed", "ready", "failed"]
    part: str = ""
    detail: str = ""
    seconds: float = 0.0


Report = Callable[[Event], None]


@contextmanager
def reported(report: Report, name: str, part: AbstractContextManager[str]) -> Iterator[None]:
    """A part of the instance, whose start and stop are told; it yields a detail to tell."""
    report(Event("starting", name))
    began = time.perf_counter()
    with part as detail:
        report(Event("started", name, detail, time.perf_counter() - began))
        yield
        began = time.perf_counter()
    report(Event("stopped", name, seconds=time.perf_counter() - began))


def to_console(console: Console) -> Report:
    styles = {"started": "green", "stopped": "dim", "noticed": "yellow"}

    def report(event: Event) -> None:
        if event.kind in styles:
            line = f"  {event.part:<13} {event.seconds:5.1f} s  {event.detail or event.kind}"
            console.print(line, style=styles[event.kind], soft_wrap=True)

    return report


@contextmanager
def naming_what_starts(report: Report, terminal: Console | None) -> Iterator[Report]:
    """Report so, and show a sign of life with the part that is starting until the start has an end.

    Args:
        terminal: where lines are printed above the sign of life; without one it is a line every few seconds.
    """
    with ExitStack() as until_started:
        name = until_started.enter_context(working("starting", terminal))

        def tell(event: Event) -> None:
            if event.kind in ("ready", "failed"):
                until_started.close()
            if event.kind == "starting":
                name(f"starting {event.part}")
            else:
                report(event)

        yield tell


def to_log(event: Event) -> None:
    log = get_logger("supervisor")
    say = log.error if event.kind == "failed" else log.warning if event.kind == "noticed" else log.info
    say(event.kind, part=event.part, detail=event.detail, seconds=round(event.seconds, 3))


def unfailing(report: Report) -> Report:
    """Tell it as far as it can be told: a full disk or a terminal that has gone must not end who reports."""

    def tell(event: Event) -> None:
        with suppress(Exception):
            report(event)

    return tell


def own_pipe(descriptor: int) -> IO[str]:
    """The pipe that a process was given to tell its parent; what it starts itself does not keep it open."""
    os.set_inheritable(descriptor, False)
    return os.fdopen(descriptor, "w")


def to_pipe(pipe: IO[str]) -> Report:
    """One JSON object a line, to another process; it may have left."""

    def report(event: Event) -> None:
        with suppress(BrokenPipeError):
            print(json.dumps(asdict(event)), file=pipe, flush=True)

    return report


def until_started(pipe: IO[str]) -> Report:
    """Report to whoever waits for the start, and no longer."""
    tell = to_pipe(pipe)

    def report(event: Event) -> None:
        if not pipe.closed:
            tell(event)
            if event.kind in ("ready", "failed"):
                with suppress(BrokenPipeError):
                    pipe.close()

    return report


def from_pipe(pipe: IO[str]) -> Iterator[Event]:
    """Yield the events of the other process until it ends; a line that it was killed in is none."""
    for line in pipe:
        if line.endswith("\n"):
            yield Event(**json.loads(line))
