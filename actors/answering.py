"""A thread that answers whoever asks whether its process is alive, whatever calls wait in the process's queue.

The supervisor of the instance asks (`cluster.instance.asking`), by a socket in the folder of this start of Ray. A
process that works in an event loop in a thread of its own answers only while that loop turns.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from actors.heartbeats import now_where, start_heartbeat
from candleray.errors import ServiceUnavailable

SOCKETS = "CANDLERAY_ALIVE_SOCKETS"
"""The variable that names the folder of the sockets; unset where no supervisor asks."""


BEAT_S = 1.0
STANDS_STILL_S = 15.0
"""Longer than anything that runs in a loop of ours takes, on a busy machine too."""
_LOOK_S = 0.5


class LoopPulse:
    """The pulse of an event loop: `beat` is one of its tasks."""

    def __init__(self, stands_still_s: float = STANDS_STILL_S) -> None:
        self._stands_still_s = stands_still_s
        self._beaten_s = time.monotonic()

    async def beat(self) -> None:
        """Beat for as long as the loop turns."""
        while True:
            self._beaten_s = time.monotonic()
            await asyncio.sleep(BEAT_S)

    @property
    def silent_s(self) -> float:
        return time.monotonic() - self._beaten_s

    def is_alive(self) -> bool:
        """True while the loop turns; before its first beat it may take as long to begin."""
        return self.silent_s < self._stands_still_s

    def require(self, part: str) -> None:
        """
        Raises:
            ServiceUnavailable: the loop stands still.
        """
        if not self.is_alive():
            raise ServiceUnavailable(f"the {part} hangs: its loop has stood still for {self.silent_s:.0f} s")


def socket_of(folder: Path, part: str) -> Path:
    return folder / f"alive-{part.replace(' ', '-')}"


def answer_as(part: str, is_alive: Callable[[], bool] = lambda: True) -> None:
    """Answer for that part from now to the end of this process, while it is alive, and beat for it.

    On another node than the supervisor's there is no such folder, and Ray alone sees the process end.
    """
    start_heartbeat(part, now_where(is_alive))
    if (folder := os.environ.get(SOCKETS)) and os.path.isdir(folder):
        listening = _listening(socket_of(Path(folder), part))
        threading.Thread(target=_answer, args=(listening, is_alive), name=f"alive {part}", daemon=True).start()


def _listening(path: Path) -> socket.socket:
    with suppress(FileNotFoundError):
        path.unlink()  # the former process's
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()
    return listening


def _answer(listening: socket.socket, is_alive: Callable[[], bool]) -> None:
    while True:
        while not is_alive():
            time.sleep(_LOOK_S)  # who asks meanwhile waits in vain
        with suppress(OSError):  # whoever asked may have gone
            asking, _ = listening.accept()
            with asking:
                asking.sendall(b"alive\n")
