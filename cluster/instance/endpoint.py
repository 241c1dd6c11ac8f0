"""An address of the instance that must answer, and what to do when it does not."""

from __future__ import annotations

import http.client
import time
from typing import Literal
from urllib.parse import urlsplit

import psutil

from cluster.machine.processes import is_running

PROBE_EVERY_S = 2.0
PROBE_TIMEOUT_S = 5.0
MEND_TIMEOUT_S = 45.0

Advice = Literal["fine", "mend", "lost"]


class Endpoint:
    """Asked now and then; after some attempts without an answer it is to be mended, then it is lost.

    Where a process is named that has to answer, its end is noticed at once: another one may answer in its place.
    """

    def __init__(self, name: str, url: str, attempts: int, process: psutil.Process | None = None) -> None:
        self.name = name
        self.url = url
        self.attempts = attempts
        self.process = process
        self._asked_at = time.monotonic()
        self._failed = 0
        self._mended_at: float | None = None

    def look(self) -> Advice:
        """`mend` once, then `lost` for as long as it does not answer."""
        if time.monotonic() - self._asked_at < PROBE_EVERY_S:
            return "fine"
        has_ended = self.process is not None and not is_running(self.process)
        self._failed = 0 if not has_ended and answers(self.url) else self._failed + 1
        self._asked_at = now = time.monotonic()
        if not self._failed:
            self._mended_at = None
        if not has_ended and self._failed < self.attempts:
            return "fine"
        if self._mended_at is None:
            self._mended_at = now
            return "mend"
        return "lost" if now - self._mended_at > MEND_TIMEOUT_S else "fine"


def answers(url: str) -> bool:
    """Return True where somebody answers there and knows the path, even with a refusal."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PROBE_TIMEOUT_S)
    try:
        connection.request("GET", parts.path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return status < http.HTTPStatus.INTERNAL_SERVER_ERROR and status != http.HTTPStatus.NOT_FOUND
