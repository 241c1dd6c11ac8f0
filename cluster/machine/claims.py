"""Names that one process of this machine at a time can have.

Each is an abstract socket: it has no file, and the kernel lets go of it when its process ends in whatever way.
"""

from __future__ import annotations

import errno
import socket
import struct

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid


def claim(name: str) -> socket.socket | None:
    """Have the name until the socket is closed; None where another process has it."""
    claimed = socket.socket(socket.AF_UNIX)
    try:
        claimed.bind(_address(name))
        claimed.listen()
    except OSError as exc:
        claimed.close()
        if exc.errno == errno.EADDRINUSE:
            return None
        raise
    return claimed


def claimant(name: str) -> int | None:
    """The process that has the name."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(_address(name))
        except OSError:
            return None
        credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, _, _ = _CREDENTIALS.unpack(credentials)
        return int(pid)


def _address(name: str) -> str:
    return f"\0candleray {name}"
