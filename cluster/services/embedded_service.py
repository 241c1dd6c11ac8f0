"""An embedded service: a server from a wheel that keeps its data in our folder.

It outlives a killed supervisor, for the data's sake: the next one finds it and attaches.
"""

from __future__ import annotations

import os
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from pwd import struct_passwd
from typing import IO, Any, ClassVar

import psutil

from candleray.errors import InstanceError, ServiceUnavailable
from candleray.inventory import Place
from cluster.machine.child_environment import BARE, inherited
from cluster.machine.data_folder import DataFolder
from cluster.machine.polls import polls
from cluster.machine.processes import answers_of, end_process, is_running, kill_all, tree_of


class EmbeddedService(ABC):
    """A database that the instance starts, attaches to, and stops; `url` is what clients connect to."""

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]
    start_timeout_s: ClassVar[float] = 60.0
    """Recovery after a crash reads the whole log."""
    stop_timeout_s: ClassVar[float] = 20.0
    question: ClassVar[bytes]
    """A question at its socket that it answers at once to anybody, however busy it is with others."""

    socket: Path

    def __init__(self, folder: DataFolder) -> None:
        self.folder = folder
        self.data = folder.path / self.name
        self.process: psutil.Process | None = None
        self._place = Place(self.data)
        self._log_begins_at = 0

    @property
    @abstractmethod
    def url(self) -> str: ...

    @abstractmethod
    def find(self) -> psutil.Process | None:
        """The server that runs on our data now, whoever started it."""

    def running_on(self, socket: Path) -> psutil.Process | None:
        """The server whose command names the socket, or its folder: so it is found when its data have gone."""
        commands = answers_of(psutil.process_iter(), psutil.Process.cmdline)
        return next((process for process, command in commands if str(socket) in command), None)

    @abstractmethod
    def launch(self) -> psutil.Process: ...

    @abstractmethod
    def answers(self) -> bool: ...

    def start(self) -> str:
        """Attach to the server that is there, or start one; returns which.

        Raises:
            ServiceUnavailable: it does not answer, with what its log says.
            InstanceError: its data are gone.
        """
        self.folder.inventory.require(self.name)
        self.process = self.find()
        if self.process and self.socket.exists() and self._wait_answer():
            self._place = Place(self.data)
            return "attached"
        self.stop()  # it lost its socket, or hangs
        self.process = self.launch()
        self._place = Place(self.data)
        if not self._wait_answer():
            self.stop()
            raise ServiceUnavailable(f"{self.name} did not start; its log {self.log} says: {self._last_words()}")
        return "started"

    def stop(self) -> None:
        process, self.process = self.process or self.find(), None
        if process:
            end_process(process, self.stop_signal, self.stop_timeout_s)

    def end_if_displaced(self) -> str:
        """Kill it where its data have been moved away under it, and say so: it must acknowledge nothing there."""
        if fault := self._place.fault():
            self.kill()
        return fault

    def kill(self) -> None:
        """Kill it at once with all that it has started: it hangs, or a flush would go to the wrong place."""
        if self.process:
            kill_all(tree_of(self.process), self.stop_timeout_s)

    def runs(self) -> bool:
        return self.process is not None and is_running(self.process)

    @property
    def log(self) -> Path:
        return self.folder.logs / f"{self.name}.log"

    def spawn(
        self,
        command: Sequence[str],
        account: struct_passwd | None = None,
        variables: Mapping[str, str] | None = None,
        **options: Any,
    ) -> psutil.Process:
        """A process of its own session, so that Ctrl-C reaches the supervisor alone.

        Args:
            variables: for a program of ours, which inherits our environment too; others get a bare one.
        """
        with self._open_log() as log:
            server = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=BARE if variables is None else {**inherited(), **variables},
                start_new_session=True,
                **as_account(account),
                **options,
            )
        self._child = server  # collected unseen, Popen would warn of a running child
        return psutil.Process(server.pid)

    def _open_log(self) -> IO[bytes]:
        """Its log, or none where that cannot be written: no service depends on it."""
        try:
            self.folder.make_logs()
            log = self.log.open("ab")
            self._log_begins_at = log.tell()
            return log
        except OSError:
            return open(os.devnull, "ab")

    def _wait_answer(self) -> bool:
        for _ in polls(self.start_timeout_s, every_s=0.03):
            if not self.runs():
                return False
            if self.socket.exists() and self.answers():
                return True
        return False

    def _last_words(self) -> str:
        return " | ".join(self.said().splitlines()[-3:]) or "nothing"

    def said(self) -> str:
        """Its log since it was launched."""
        try:
            with self.log.open("rb") as log:
                log.seek(self._log_begins_at)
                return log.read().decode(errors="replace").strip()
        except OSError:
            return ""


def as_account(account: struct_passwd | None) -> dict[str, Any]:
    """Arguments of `subprocess` to run as that account and nobody else; None is who we are."""
    if account is None:
        return {"cwd": "/"}
    return {"cwd": "/", "user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def package_folder(package: str) -> Path | None:
    """Find a wheel's files without running any of its code."""
    spec = find_spec(package)
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None


def missing_wheel(wheel: str, setting: str) -> InstanceError:
    return InstanceError(f"the wheel {wheel} is not installed: install it, or name a server by services.{setting}")
