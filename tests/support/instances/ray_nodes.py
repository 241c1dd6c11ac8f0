"""A Ray cluster of several nodes on this machine: a raylet, an object store and workers each, on the loopback.

This process is the driver, on the first node, which is the head. Everything ends with the block.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray
from ray.cluster_utils import Cluster

from actors.options import NAMESPACE
from candleray.settings import ROOT
from cluster.machine.processes import process_of, tree_of
from tests.support.instances.ports import free_port
from tests.support.waiting import wait_until

OBJECT_STORE_BYTES = 200_000_000


class RayNodes:
    """The nodes that live, the head first."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._nodes: list[Any] = []

    def __len__(self) -> int:
        return len(self._nodes)

    @property
    def address(self) -> str:
        """The address for `services.ray_address`."""
        return str(self._cluster.address)

    @property
    def dashboard_url(self) -> str:
        """The address that jobs are submitted to, if a dashboard was asked for."""
        return f"http://{self._cluster.head_node.webui_url}"

    def add(self, num_cpus: int, **head: Any) -> None:
        self._nodes.append(
            self._cluster.add_node(
                num_cpus=num_cpus,
                object_store_memory=OBJECT_STORE_BYTES,
                wait=False,
                **head,
            )
        )

    def wait_alive(self) -> None:
        """Wait until the cluster counts as many nodes as there are."""
        wait_until(
            lambda: sum(bool(node["Alive"]) for node in ray.nodes()),
            lambda alive: alive == len(self),
            what=f"{len(self)} nodes",
        )

    def processes(self, number: int) -> list[psutil.Process]:
        """The raylet of a node, its agents and workers."""
        return tree_of(process_of(self._nodes[number].all_processes["raylet"][0].process.pid))

    def kill(self, number: int) -> None:
        """`kill -9` of everything on a node but the head, as when its machine loses power."""
        assert number > 0, "the head is the driver's own node"
        for process in self.processes(number):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._cluster.remove_node(self._nodes.pop(number), allow_graceful=False)


@contextmanager
def ray_nodes(
    *cpus: int, dashboard: bool = False, environment: Mapping[str, str] | None = None
) -> Iterator[RayNodes]:
    """A node for each number of CPUs.

    Args:
        environment: what processes of the cluster are to find in theirs besides ours.
    """
    home = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # short: sockets lie in it
    Path(home, "ray").mkdir()
    with pytest.MonkeyPatch.context() as ours:
        for name in ("RAY_ADDRESS", "PYTHONDONTWRITEBYTECODE"):
            ours.delenv(name, raising=False)
        for name, value in (_environment(home) | dict(environment or {})).items():
            ours.setenv(name, value)
        cluster = Cluster(shutdown_at_exit=True)
        nodes = RayNodes(cluster)
        try:
            head, *others = cpus
            nodes.add(
                head,
                include_dashboard=dashboard,
                dashboard_host="127.0.0.1",
                dashboard_port=free_port(),  # it serves more than the dashboard, and starts in any case
                temp_dir=home,
            )
            for each in others:
                nodes.add(each)
            ray.init(address=cluster.address, namespace=NAMESPACE, log_to_driver=False, logging_level="warning")
            nodes.wait_alive()
            yield nodes
        finally:
            ray.shutdown()
            cluster.shutdown()
            shutil.rmtree(home, ignore_errors=True)


def _environment(home: str) -> dict[str, str]:
    return {
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_TMPDIR": home,  # here Ray notes the address of the last cluster, for whoever asks for `auto`
        "PYTHONPATH": str(ROOT),
        "NUMBA_NUM_THREADS": "1",
        "RAY_health_check_period_ms": "300",  # a killed node is missed after 2 s, not 15
    }
