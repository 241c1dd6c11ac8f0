"""Signals that end a process of the instance in order."""

from __future__ import annotations

import signal
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def stop_on_signals() -> None:
    """The first signal raises `KeyboardInterrupt`; the following ones cannot interrupt the stopping."""

    def stop(number: int, frame: FrameType | None) -> None:
        for other in SIGNALS:
            signal.signal(other, signal.SIG_IGN)
        raise KeyboardInterrupt

    for one in SIGNALS:
        signal.signal(one, stop)
