"""Questions to the parts of an instance, each in a thread of its own: alive is who answers.

A process that exists may be suspended or hang. So every part is asked now and then on a way that no user's request
shares; one that does not answer several times in a row is silent, and is to be killed and started anew. A refused
connection is no silence: the end of a process is seen by other means.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

ASK_EVERY_S = 2.0
DEADLINE_S = 2.5
SILENCES = 4
"""Questions without an answer, in about 16 s, that make a part silent: a busy machine answers one of four."""

HTTP2_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""The preface and empty settings: to them any gRPC server sends its own, before it asks for a token."""

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid

Ask = Callable[[], object]
"""Returns once there is an answer; raises `TimeoutError` where none came in time."""


class Asked:
    """A part that is asked again and again, from `start` to `stop`."""

    def __init__(self, name: str, ask: Ask, every_s: float = ASK_EVERY_S, silences: int = SILENCES) -> None:
        self.name = name
        self._ask = ask
        self._every_s = every_s
        self._most = silences
        self._silences = 0
        self._stopped = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._live, name=f"asking {self.name}", daemon=True).start()

    def stop(self) -> None:
        """Ask no more; a question under way is not waited for."""
        self._stopped.set()

    def is_silent(self) -> bool:
        """Tell once that it does not answer; then the count begins anew."""
        if self._silences < self._most:
            return False
        self._silences = 0
        return True

    def _live(self) -> None:
        while not self._stopped.wait(self._every_s):
            self.ask_once()

    def ask_once(self) -> None:
        self._silences = self._silences + 1 if self._says_nothing() else 0

    def _says_nothing(self) -> bool:
        try:
            self._ask()
        except TimeoutError:
            return True
        except Exception:  # noqa: BLE001 - refused, reset or absent: not silent
            return False
        return False


def unix_answer(path: Path, question: bytes = b"", deadline_s: float = DEADLINE_S) -> None:
    """Ask at a unix socket.

    Raises:
        TimeoutError: who listens there does not answer.
        OSError: nobody does.
    """
    with socket.socket(socket.AF_UNIX) as client:
        _ask(client, str(path), question, deadline_s)


def listener_of(path: Path) -> int | None:
    """The process that listens at a unix socket, whether it answers or not."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(DEADLINE_S)
        try:
            client.connect(str(path))
        except OSError:
            return None
        pid, _, _ = _CREDENTIALS.unpack(
            client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )
        return int(pid)


def grpc_answer(address: str, deadline_s: float = DEADLINE_S) -> None:
    """Ask a gRPC server at `host:port`; raises as `unix_answer`."""
    host, _, port = address.rpartition(":")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as client:
        _ask(client, (host.strip("[]"), int(port)), HTTP2_GREETING, deadline_s)


def _ask(client: socket.socket, address: object, question: bytes, deadline_s: float) -> None:
    client.settimeout(deadline_s)
    try:
        client.connect(address)  # type: ignore[arg-type]
    except BlockingIOError as exc:  # of a unix socket: its queue is full of those who were not answered
        raise TimeoutError from exc
    if question:
        client.sendall(question)
    if not client.recv(64):
        raise ConnectionResetError("it closed without an answer")
