"""A thousand planes in Ray's shared memory, and what each worker that reads them adds.

A program of its own, so that Ray lives in no measuring process. It counts resident pages: `Pss` of the object
store's mapping, summed over every process that maps it, counts each shared page once.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from typing import Any

import psutil
import ray

from candleray.search import engine
from candleray.search.ranges import ranges
from candleray.search.variants import VariantGrid
from cluster.search import tasks
from tests.bench.workload import WARMUP, Workload, load_market

SOURCES = ["close", "open", "high", "low", "hlc3"]
SEARCH = {"id": "sma", "inputs": {"source": SOURCES}, "params": {"window": {"start": 5, "stop": 204, "step": 1}}}
WORKERS = (1, 2, 4)


class Reader:
    """A worker that reads every word of every plane."""

    def read(self, plane_refs: list[Any]) -> int:
        """Its own memory in bytes, shared pages not counted, with the planes at hand."""
        self.planes = engine.Planes.over(ray.get(plane_refs))
        assert all(chunk.any() for chunk in self.planes.chunks)
        return int(psutil.Process().memory_full_info().uss)


def store_bytes() -> int:
    """Resident bytes of the object store, each page counted once."""
    mine = psutil.Process()
    return sum(_plasma_pss(process) for process in (mine, *mine.children(recursive=True)))


def _plasma_pss(process: psutil.Process) -> int:
    try:
        return sum(part.pss for part in process.memory_maps() if "plasma" in part.path)
    except psutil.NoSuchProcess:
        return 0


def measure() -> dict[str, Any]:
    workload = Workload.of(load_market(), [SEARCH])
    grid: VariantGrid = workload.grid
    bars_ref, request_ref = ray.put(workload.bars), ray.put(workload.request)
    before = store_bytes()
    refs = [
        tasks.submit("planes", tasks.build_planes, bars_ref, request_ref, [(first, last)], WARMUP)
        for first, last in ranges(grid.planes, 8)
    ]
    ray.wait(refs, num_returns=len(refs), fetch_local=False)
    readers: list[Any] = []
    found = []
    for count in WORKERS:
        while len(readers) < count:
            readers.append(ray.remote(num_cpus=0)(Reader).remote())
        own = [ray.get(reader.read.remote(refs)) for reader in readers]
        found.append({"workers": count, "shared_bytes": store_bytes() - before, "own_bytes": max(own)})
    return {"planes": grid.planes, "bars": workload.bars.count, "found": found}


if __name__ == "__main__":
    os.environ.update(RAY_AUTH_MODE="disabled", RAY_USAGE_STATS_ENABLED="0")
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as temp:
        ray.init(
            address="local",
            num_cpus=1,
            object_store_memory=400_000_000,
            include_dashboard=False,
            log_to_driver=False,
            _temp_dir=temp,
        )
        try:
            json.dump(measure(), sys.stdout)
        finally:
            ray.shutdown()
