"""A thread that answers whoever asks whether its process is alive, whatever calls wait in the process's queue.

The supervisor of the instance asks (`cluster.instance.asking`), by a socket in the folder of this start of Ray.
"""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from pathlib import Path

SOCKETS = "CANDLERAY_ALIVE_SOCKETS"
"""The variable that names the folder of the sockets; unset where no supervisor asks."""


def socket_of(folder: Path, part: str) -> Path:
    return folder / f"alive-{part.replace(' ', '-')}"


def answer_as(part: str) -> None:
    """Answer for that part from now to the end of this process."""
    if folder := os.environ.get(SOCKETS):
        listening = _listening(socket_of(Path(folder), part))
        threading.Thread(target=_answer, args=(listening,), name=f"alive {part}", daemon=True).start()


def _listening(path: Path) -> socket.socket:
    with suppress(FileNotFoundError):
        path.unlink()  # the former process's
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()
    return listening


def _answer(listening: socket.socket) -> None:
    while True:
        with suppress(OSError):  # whoever asked may have gone
            asking, _ = listening.accept()
            with asking:
                asking.sendall(b"alive\n")
