"""An address of the instance that must answer, and what to do when it does not."""

from __future__ import annotations

import http.client
import socket
import time
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import psutil

from cluster.machine.processes import is_running

PROBE_EVERY_S = 2.0
PROBE_TIMEOUT_S = 5.0
MEND_TIMEOUT_S = 45.0

Advice = Literal["fine", "mend", "lost"]


class Endpoint:
    """An address that is asked now and then; after some attempts without an answer to be mended, then lost.

    Where a process is named that has to answer, its end is noticed at once: another one may answer in its place.
    Where a door of its own is named, it is asked there: callers who hold every public connection say nothing of
    whether it works, and being busy is never mended.
    """

    def __init__(
        self,
        name: str,
        url: str,
        attempts: int,
        process: psutil.Process | None = None,
        door: Path | None = None,
    ) -> None:
        self.name = name
        self.url = url
        self.attempts = attempts
        self.process = process
        self.door = door
        self._asked_at = time.monotonic()
        self._failed = 0
        self._mended_at: float | None = None

    def look(self) -> Advice:
        """`mend` once, then `lost` for as long as it does not answer."""
        if time.monotonic() - self._asked_at < PROBE_EVERY_S:
            return "fine"
        has_ended = self.process is not None and not is_running(self.process)
        self._failed = 0 if not has_ended and answers(self.url, self.door) else self._failed + 1
        self._asked_at = now = time.monotonic()
        if not self._failed:
            self._mended_at = None
        if not has_ended and self._failed < self.attempts:
            return "fine"
        if self._mended_at is None:
            self._mended_at = now
            return "mend"
        return "lost" if now - self._mended_at > MEND_TIMEOUT_S else "fine"


def answers(url: str, door: Path | None = None) -> bool:
    """Return True where somebody answers there and knows the path, even with a refusal."""
    parts = urlsplit(url)
    connection: http.client.HTTPConnection
    if door is None:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PROBE_TIMEOUT_S)
    else:
        connection = _ThroughDoor(parts.netloc, door)
    try:
        connection.request("GET", parts.path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return status < http.HTTPStatus.INTERNAL_SERVER_ERROR and status != http.HTTPStatus.NOT_FOUND


class _ThroughDoor(http.client.HTTPConnection):
    """A connection to a Unix socket, in place of the host's port."""

    def __init__(self, host: str, door: Path) -> None:
        super().__init__(host, timeout=PROBE_TIMEOUT_S)
        self._door = door

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PROBE_TIMEOUT_S)
        self.sock.connect(str(self._door))
