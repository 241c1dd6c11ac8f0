"""Workers that are ready: started, and loaded with all that every search needs, before anyone waits for them.

A process takes 1 s to begin and 2 s to import and load, and the first one after a change compiles for 15 s more.
To ask for them takes Ray alone, so that a driver can do so before it imports the rest.
"""

from __future__ import annotations

import gc

import ray


@ray.remote(num_cpus=1, max_retries=5)
def _load() -> None:
    gc.disable()  # what is imported stays: to look through it takes a tenth of the time
    try:
        from cluster.search.tasks import load_kernels

        load_kernels()
        gc.freeze()  # nor is it looked through during a search, for 0.08 s each time
    finally:
        gc.enable()


def start_workers() -> None:
    """Start a worker for every CPU and load what every search needs, without waiting for them."""
    for _ in range(int(ray.cluster_resources().get("CPU", 1))):
        _load.options(name="warm-up").remote()
