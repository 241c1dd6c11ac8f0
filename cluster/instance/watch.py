"""The watch loop's steps: one look after each part, again and again, whatever it raises."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from candleray.errors import in_words
from cluster.instance.back_off import BackOff
from cluster.instance.events import Event, Report
from cluster.instance.instance_file import Trouble

Look = Callable[[], None]


class Watch:
    """Looks after every part in turn; what one raises keeps no other one from being looked after."""

    def __init__(
        self, looks: Mapping[str, Look], report: Report, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._steps = [Step(name, look, report, BackOff(now)) for name, look in looks.items()]

    def look(self) -> None:
        for step in self._steps:
            step.take()

    @property
    def troubles(self) -> dict[str, Trouble]:
        """Parts whose last look failed."""
        return {step.name: step.trouble for step in self._steps if step.trouble}


class Step:
    """One look, taken as often as asked; after a failure again at once, then after pauses that grow."""

    def __init__(self, name: str, look: Look, report: Report, back_off: BackOff) -> None:
        self.name = name
        self.trouble: Trouble | None = None
        self._look = look
        self._report = report
        self._back_off = back_off

    def take(self) -> None:
        if not self._back_off.is_over():
            return
        try:
            self._look()
        except Exception as error:  # noqa: BLE001 - the one process whose task is to stay must outlast whatever it is
            self._fail(in_words(error))
        else:
            self._recover()

    def _fail(self, reason: str) -> None:
        pause_s = self._back_off.ended()
        self.trouble = Trouble.after(self.trouble, reason)
        when = f"in {pause_s:g} s" if pause_s else "now"
        self._report(Event("noticed", self.name, f"is in trouble: {reason}; looked after again {when}"))

    def _recover(self) -> None:
        if self.trouble:
            self._back_off.started()
            self._report(Event("noticed", self.name, f"is out of trouble after {self.trouble.count} failures"))
            self.trouble = None
