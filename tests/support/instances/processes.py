"""Processes that a test starts: they end with its block, however that ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from candleray.settings import ROOT
from cluster.machine.processes import answers_of, tree_of
from tests.support.waiting import wait_until


@contextmanager
def started(*command: str, **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """A process, killed at the end of the block."""
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def running_script(script: str, *arguments: object, **options: Any) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Python code in a process of its own, once it has printed a line, and that line."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    with started(*command, stdout=subprocess.PIPE, text=True, cwd=ROOT, **options) as process:
        assert process.stdout
        line = process.stdout.readline()
        assert line, "it ended without a word"
        yield process, line.strip()


def suspend(process: psutil.Process) -> None:
    """Stop it, and wait until all its threads stand still: on a busy machine some go on for a moment.

    A zombie stands still too: it has ended before the signal, and its parent may be stopped already.

    Raises:
        psutil.NoSuchProcess: it has ended.
    """
    process.suspend()
    wait_until(
        lambda: _states(process) <= {"T", "Z"}, what=f"{process} stands still", passing=(FileNotFoundError,)
    )


def suspend_all(processes: Iterable[psutil.Process]) -> None:
    """Stop each that has not ended since it was listed."""
    assert answers_of(processes, suspend), "all have ended"


def _states(process: psutil.Process) -> set[str]:
    """States of its threads, as in `man 5 proc_pid_stat`."""
    stats = [path.read_text() for path in Path(f"/proc/{process.pid}/task").glob("*/stat")]
    return {stat.rpartition(")")[2].split()[0] for stat in stats}


def process_of_actor(actor_class: str) -> psutil.Process | None:
    """The process below this one in which an actor of that class lives, if one does."""
    commands = answers_of(tree_of(psutil.Process()), psutil.Process.cmdline)
    found = [process for process, command in commands if f"ray::{actor_class}" in " ".join(command)]
    return found[0] if found else None
