"""A Ray cluster of one node, of this process's own, to which workers and their CPUs belong."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import ray

from candleray.settings import ROOT


@contextmanager
def ray_workers(count: int, compiled: Path | None = None) -> Iterator[None]:
    """Start a cluster of so many CPUs, whose workers keep their compiled code in that folder; end it."""
    with (
        pytest.MonkeyPatch.context() as environment,
        tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as temp,  # short: sockets lie in it
    ):
        environment.setenv("RAY_AUTH_MODE", "disabled")
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        environment.setenv("PYTHONPATH", str(ROOT))
        if compiled is not None:
            environment.setenv("NUMBA_CACHE_DIR", str(compiled))
        ray.init(
            address="local",
            num_cpus=count,
            object_store_memory=200_000_000,
            include_dashboard=False,
            log_to_driver=False,
            _temp_dir=temp,
        )
        try:
            yield
        finally:
            ray.shutdown()
