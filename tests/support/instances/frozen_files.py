"""A full disk without a disk: files of an instance that may not grow, by a limit on its processes.

It needs no mount and no rights: whoever started a process may lower its limit and raise it again. Writing beyond
it fails as on a full disk, with another number, and ends a process that does not ignore the signal of it.
"""

from __future__ import annotations

import resource
import subprocess
from contextlib import suppress
from dataclasses import dataclass

import psutil

from tests.support.instances.patient import Patient


@dataclass(frozen=True)
class FrozenFiles:
    patient: Patient

    def fill(self) -> None:
        """Let no file grow; children inherit the limit."""
        self._limit(0)

    def free(self) -> None:
        """Let all grow; to be repeated while processes are started by those that were not freed yet."""
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, size: int) -> None:
        for process in self.patient.processes():
            with suppress(psutil.NoSuchProcess):
                _limit(process, size)


def _limit(process: psutil.Process, size: int) -> None:
    """Set the soft limit: as the process's own user, where root itself may not do it to others."""
    try:
        _, most = process.rlimit(psutil.RLIMIT_FSIZE)
        process.rlimit(psutil.RLIMIT_FSIZE, (size, most))
    except psutil.AccessDenied:
        soft = "unlimited" if size == resource.RLIM_INFINITY else str(size)
        command = ["prlimit", f"--pid={process.pid}", f"--fsize={soft}:"]
        subprocess.run(command, user=process.uids().real, group=process.gids().real, check=False)
