"""A Ray cluster of a test module's own, where names of actors would meet those of others."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
import ray

from cluster.machine.processes import answers_of, tree_of


@contextmanager
def own_ray(num_cpus: int = 1) -> Iterator[None]:
    with (
        pytest.MonkeyPatch.context() as environment,
        tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as temp,
    ):
        environment.setenv("RAY_AUTH_MODE", "disabled")
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(
            address="local",
            num_cpus=num_cpus,
            object_store_memory=200_000_000,
            include_dashboard=False,
            log_to_driver=False,
            _temp_dir=temp,
        )
        yield
        ray.shutdown()


def process_of_actor(actor_class: str) -> psutil.Process | None:
    """The process below this one in which an actor of that class lives, if one does."""
    commands = answers_of(tree_of(psutil.Process()), psutil.Process.cmdline)
    found = [process for process, command in commands if f"ray::{actor_class}" in " ".join(command)]
    return found[0] if found else None
