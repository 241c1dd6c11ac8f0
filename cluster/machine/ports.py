"""Ports: whether the API's is free, and a block of ports of their own for the rest of an instance."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from candleray.errors import InstanceError
from cluster.machine.claims import claim, claimant
from cluster.machine.processes import describe, listener_at

BLOCK = 100
FIRST, LAST = 10_000, 29_999
"""Below the kernel's ephemeral ports, which begin at 32768."""


@dataclass(frozen=True)
class Ports:
    """Ports that Ray and Serve open at fixed numbers unless told otherwise: two instances would share them unseen.

    HAProxy and Serve's proxies bind with SO_REUSEPORT: a second instance on 8500 does not fail, the kernel
    just hands it half of the first one's requests.
    """

    first: int

    @property
    def haproxy_metrics(self) -> int:
        return self.first

    @property
    def haproxy_stats(self) -> int:
        return self.first + 1

    @property
    def fallback_http(self) -> int:
        return self.first + 2

    @property
    def fallback_grpc(self) -> int:
        return self.first + 3

    @property
    def autoscaler_metrics(self) -> int:
        return self.first + 4

    @property
    def dashboard_metrics(self) -> int:
        return self.first + 5

    @property
    def node_metrics(self) -> int:
        return self.first + 6

    @property
    def dashboard_agent(self) -> int:
        return self.first + 7

    @property
    def replicas(self) -> range:
        return range(self.first + 10, self.first + BLOCK)


@contextmanager
def own_block(api_port: int) -> Iterator[Ports]:
    """Have a block that no other instance takes, though its ports are opened only later.

    It is the API port's own one, 10000 for port 8000, or the next one that is free.

    Raises:
        InstanceError: no block is free.
    """
    blocks = range(FIRST, LAST, BLOCK)
    preferred = api_port % len(blocks)
    for first in (*blocks[preferred:], *blocks[:preferred]):
        claimed = claim(f"ports {first}")
        if claimed is None:
            continue
        with claimed:
            if all(_is_free("0.0.0.0", port) for port in range(first, first + BLOCK)):  # noqa: S104
                yield Ports(first)
                return
    raise InstanceError(f"no {BLOCK} ports in a row are free between {FIRST} and {LAST}")


@contextmanager
def own_port(host: str, port: int) -> Iterator[None]:
    """Have a port that no other instance takes, though it is opened only later.

    Raises:
        InstanceError: the port is taken, naming by whom, or not ours to listen on.
    """
    require_free(host, port)
    name = f"port {host}:{port}"
    claimed = claim(name)
    if claimed is None:
        raise _in_use(port, claimant(name))
    with claimed:
        yield


def first_free(host: str, port: int) -> int:
    """The first free port from `port` on.

    Raises:
        InstanceError: none of the next fifty is free.
    """
    for candidate in range(port, min(port + 50, 65536)):
        if _is_free(host, candidate):
            return candidate
    raise InstanceError(f"no port is free between {port} and {port + 49}")


def require_free(host: str, port: int) -> None:
    """
    Raises:
        InstanceError: the port is taken, naming by whom, or not ours to listen on.
    """
    try:
        _bind(host, port)
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            raise _in_use(port, listener_at(port)) from exc
        raise InstanceError(f"cannot listen on {host}:{port}: {exc.strerror or exc}") from exc


def _in_use(port: int, owner: int | None) -> InstanceError:
    return InstanceError(f"port {port} is in use by {describe(owner)}: choose another with --port")


def _is_free(host: str, port: int) -> bool:
    with suppress(OSError):
        _bind(host, port)
        return True
    return False


def _bind(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what lingers after a close is free
        probe.bind((host, port))
