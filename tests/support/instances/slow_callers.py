"""Callers who hold what others need: connections that say nothing, and bodies that stop."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

LOGIN = "/login/telegram/widget"


def stalled(port: int, path: str = LOGIN, token: str = "", length: int = 400, source: str = "") -> socket.socket:
    """A request whose body stops after nine bytes."""
    login = f"Authorization: Bearer {token}\r\n" if token else ""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{login}"
    return sending(silent(port, source), f'{head}Content-Length: {length}\r\n\r\n{{"hash": '.encode())


def sending(connection: socket.socket, sent: bytes) -> socket.socket:
    """The connection once it has sent that; one that is refused meanwhile is closed."""
    try:
        connection.sendall(sent)
    except OSError:
        connection.close()
        raise
    return connection


def silent(port: int, source: str = "") -> socket.socket:
    """A connection that says nothing; from another address of this machine where one is named."""
    return socket.create_connection(
        ("127.0.0.1", port), timeout=60, source_address=(source, 0) if source else None
    )


@contextmanager
def many_stalled(port: int, count: int, path: str = LOGIN, token: str = "") -> Iterator[list[socket.socket]]:
    with ExitStack() as opened:
        yield [opened.enter_context(stalled(port, path, token)) for _ in range(count)]


def answer_of(connection: socket.socket) -> str:
    """Everything that comes until the connection is closed."""
    received = b""
    while part := connection.recv(65_536):
        received += part
    return received.decode()


def poured(port: int, path: str, length: int) -> tuple[str, int]:
    """A stranger's body, sent as far as it is taken: the status, empty where none arrived, and the bytes taken."""
    piece, sent = b" " * 65_536, 0
    with stalled(port, path, length=length) as connection, suppress(OSError):
        while sent < length:
            try:
                connection.sendall(piece[: length - sent])
            except OSError:  # closed: it has been answered
                break
            sent += min(len(piece), length - sent)
        return answer_of(connection).split()[1], sent
    return "", sent


class Reopened:
    """Connections that are opened again as often as they are closed."""

    def __init__(self, open_one: Callable[[], socket.socket], count: int) -> None:
        self.count = 0
        self._open_one, self._wanted = open_one, count
        self._open: list[socket.socket] = []
        self._over = threading.Event()

    def go_on(self) -> None:
        while not self._over.is_set():
            self._open = [one for one in self._open if not _is_closed(one)]
            while len(self._open) < self._wanted and not self._over.is_set():
                with suppress(OSError):
                    self._open.append(self._open_one())
                    self.count += 1
            self._over.wait(0.2)

        for one in self._open:
            one.close()

    def end(self) -> None:
        self._over.set()


def _is_closed(connection: socket.socket) -> bool:
    try:
        if connection.recv(65_536, socket.MSG_DONTWAIT):
            return False
    except BlockingIOError:
        return False
    except OSError:
        pass
    connection.close()
    return True


@contextmanager
def reopened(open_one: Callable[[], socket.socket], count: int) -> Iterator[Reopened]:
    """So many connections, opened again whenever they are closed until the block ends."""
    attack = Reopened(open_one, count)
    going_on = threading.Thread(target=attack.go_on)
    going_on.start()
    try:
        yield attack
    finally:
        attack.end()
        going_on.join()
