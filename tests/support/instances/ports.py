"""Ports for what a test starts, each no other test's for as long as this process lives."""

from __future__ import annotations

import random
import socket
from contextlib import suppress

from cluster.machine.claims import claim
from cluster.machine.ports import LAST

PORTS = range(LAST + 1, 32_768)
"""Above the blocks of instances, below the ports that the kernel hands out to whoever asks for any."""

_claimed: list[socket.socket] = []


def free_port() -> int:
    """A port of the loopback that nobody has, and that no other process of tests will take."""
    for port in random.sample(PORTS, len(PORTS)):
        claimed = claim(f"test port {port}")
        if claimed is None:
            continue
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            _claimed.append(claimed)
            return port
        claimed.close()
    raise AssertionError(f"no port is free between {PORTS.start} and {PORTS.stop}")
