"""Processes of this machine, any of which may end while it is looked at."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import psutil

from cluster.machine.polls import polls

Answer = TypeVar("Answer")


def process_of(pid: int | None) -> psutil.Process | None:
    """The process of that id; None where it has ended already."""
    try:
        return psutil.Process(pid) if pid else None
    except psutil.NoSuchProcess:
        return None


def is_running(process: psutil.Process) -> bool:
    """A zombie has ended, whoever is to collect it."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def start_ticks(pid: int) -> int | None:
    """Clock ticks from the machine's boot to the process's start; None once it has ended.

    psutil's creation time moves when the clock is set, this does not.
    """
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[18]) if state not in "ZX" else None


def tree_of(process: psutil.Process | None) -> list[psutil.Process]:
    """The process and everything it started, in that order; nothing once it has ended."""
    if process is None:
        return []
    with suppress(psutil.NoSuchProcess):
        return [process, *process.children(recursive=True)]
    return []


def answers_of(
    processes: Iterable[psutil.Process], question: Callable[[psutil.Process], Answer]
) -> list[tuple[psutil.Process, Answer]]:
    """Each process with its answer; one that has ended meanwhile, or may not be asked, is left out."""
    answers = []
    for process in processes:
        with suppress(psutil.Error, OSError):
            answers.append((process, question(process)))
    return answers


def ends_within(process: psutil.Process, timeout_s: float) -> bool:
    """Wait for its end, and collect it where it is our child."""
    for _ in polls(timeout_s, every_s=0.02):
        if not is_running(process):
            with suppress(psutil.TimeoutExpired):
                process.wait(0)
            return True
    return False


def end_process(process: psutil.Process, number: signal.Signals, timeout_s: float) -> None:
    """Send the signal; kill the process with all that it started where it has not ended by then."""
    tree = tree_of(process)
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)
    if not ends_within(process, timeout_s):
        kill_all(tree, timeout_s)


def kill_all(processes: Iterable[psutil.Process], timeout_s: float) -> None:
    """Kill each at once, be it suspended, and wait for their ends."""
    killed = list(processes)
    for each in killed:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    for each in killed:
        ends_within(each, timeout_s)


def opened_by(path: Path) -> int | None:
    """Another process that has the file or folder open, be it removed since, where we may look.

    The kernel names for a lock the process that took it, which of an inherited one may long be gone.
    """
    file = str(path.resolve())
    names = {file, f"{file} (deleted)"}
    others = (process for process in psutil.process_iter() if process.pid != os.getpid())
    return next((process.pid for process, files in answers_of(others, _open_files) if names & files), None)


def listener_at(port: int) -> int | None:
    """The process that listens on the port, where we may look."""
    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
                return connection.pid
    return None


def describe(pid: int | None) -> str:
    """`process 4711 (postgres -D /data)`, as far as we may know."""
    if pid is None:
        return "another process"
    try:
        program, *arguments = psutil.Process(pid).cmdline()
    except (psutil.Error, ValueError):
        return f"process {pid}"
    words = " ".join((Path(program).name, *arguments)).split()
    return f"process {pid} ({' '.join(words)[:80]})"


def _open_files(process: psutil.Process) -> set[str]:
    """Everything that the process has open; psutil leaves out what is no regular file."""
    folder = Path(f"/proc/{process.pid}/fd")
    files = set()
    for descriptor in os.listdir(folder):
        with suppress(OSError):  # closed meanwhile
            files.add(os.readlink(folder / descriptor))
    return files
