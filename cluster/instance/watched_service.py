"""An embedded service under the eyes of the supervisor."""

from __future__ import annotations

import time
from collections.abc import Callable

from candleray.errors import in_words
from cluster.instance.asking import Asked
from cluster.instance.back_off import BackOff
from cluster.instance.instance_file import Restarts
from cluster.services.embedded_service import EmbeddedService


class WatchedService:
    """Starts an embedded service again when it has ended or does not answer."""

    def __init__(
        self, service: EmbeddedService, now: Callable[[], float] = time.monotonic, asked: Asked | None = None
    ) -> None:
        self.service = service
        self._asked = asked
        self.name = service.name
        self.restarts: Restarts | None = None
        self._back_off = BackOff(now)
        self._back_off.started()
        self._runs = True

    def revive(self) -> str:
        """Start it again where it has ended and the pause before that is over; returns what was done, in words."""
        if self._runs and (fault := self.service.end_if_displaced()):
            self._ended()
            return f"is stopped: {fault}"
        if self._runs and self._asked and self._asked.is_silent():
            self.service.kill()
            self._ended()
            return "did not answer, is killed"
        if self._runs and not self.service.runs():
            self._ended()
        if self._runs or not self._back_off.is_over():
            return ""
        try:
            said = f"had ended, is {self.service.start()} again"
        except Exception as error:  # noqa: BLE001 - it is tried again, whatever it was
            said = f"has ended and does not start: {in_words(error)}"
            self._back_off.ended()
        else:
            self._runs = True
            self._back_off.started()
        self.restarts = Restarts.after(self.restarts, said)
        return said

    def _ended(self) -> None:
        self._runs = False
        self._back_off.ended()
