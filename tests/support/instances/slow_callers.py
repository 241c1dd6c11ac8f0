"""Callers who hold what others need: connections that say nothing, and bodies that stop."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

LOGIN = "/login/telegram/widget"


def stalled(port: int, path: str = LOGIN, token: str = "", length: int = 400, source: str = "") -> socket.socket:
    """A request whose body stops after nine bytes."""
    connection = silent(port, source)
    login = f"Authorization: Bearer {token}\r\n" if token else ""
    connection.sendall(
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{login}"
        f'Content-Length: {length}\r\n\r\n{{"hash": '.encode()
    )
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
