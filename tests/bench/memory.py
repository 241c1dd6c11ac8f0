"""Memory: the peak of a search as it grows, a thousand planes shared by workers, and an instance at rest.

`python -m tests.bench.memory at-rest`: what the ingestion of two venues takes of an idle instance.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.bench.compiling import ROOT
from tests.bench.table import Row
from tests.bench.workload import WARMUP, Market, Workload, load_market
from tests.support.searches import search_over

GROWTH = "peak memory, hourly bars"
SHARED = "signal memory, a year of minutes"


def rows(_market: Market, quick: bool) -> list[Row]:
    return [*_growth_rows(quick), *_plane_rows()]


def _growth_rows(quick: bool) -> list[Row]:
    """Three indicators, the third of which has 1, 10 or 100 windows: the planes stay few."""
    peak_of(1)  # compiles, if nobody did
    peaks = {windows: peak_of(windows) for windows in ((1, 10) if quick else (1, 10, 100))}
    first = peaks[1]["peak_bytes"]
    return [
        Row(
            GROWTH,
            f"{peak['variants']:,} variants",
            "process",
            value=peak["peak_bytes"] / 1e6,
            unit="MB",
            note=f"{(peak['peak_bytes'] - first) / 1e6:+.0f} MB, {peak['peak_bytes'] / first - 1:+.1%} "
            f"against the first; {peak['seconds']:.2g} s",
        )
        for peak in peaks.values()
    ]


def peak_of(windows: int) -> dict[str, Any]:
    """The high water mark of a process of its own that runs 10,000 × `windows` variants."""
    return run_program("tests.bench.memory", str(windows))


def run_program(module: str, *arguments: str) -> dict[str, Any]:
    """Run a module of this folder as a process of its own; return the JSON that it prints."""
    command = [sys.executable, "-W", "ignore", "-m", module, *arguments]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def search(windows: int) -> dict[str, Any]:
    axes = [
        {"id": "sma", "params": {"window": {"start": 5, "stop": 104, "step": 1}}},
        {"id": "ema", "params": {"window": {"start": 5, "stop": 104, "step": 1}}},
        {"id": "wma", "params": {"window": {"start": 20, "stop": 19 + windows, "step": 1}}},
    ]
    workload = Workload.of(load_market(), axes, timeframe="1h", top_k=300)
    result = search_over(workload.minutes, workload.request, WARMUP)
    return {
        "variants": result.variants_evaluated,
        "seconds": result.elapsed_s.total,
        "peak_bytes": high_water_bytes(),
    }


def high_water_bytes() -> int:
    """Return the peak of this program alone: `ru_maxrss` would begin at that of the process that started it."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def _plane_rows() -> list[Row]:
    answer = run_program("tests.bench.shared_planes")
    return [
        Row(
            SHARED,
            f"{answer['planes']:,} planes, {found['workers']} workers",
            "node",
            value=found["shared_bytes"] / 1e6,
            unit="MB",
            note=f"a worker's own memory at most {found['own_bytes'] / 1e6:.0f} MB",
        )
        for found in answer["found"]
    ]


if __name__ == "__main__":
    if sys.argv[1] == "at-rest":
        # Imported here: the peak of a search counts what this module imports.
        from tests.bench.market_data import live_memory

        live_memory.print_at_rest()
    else:
        json.dump(search(int(sys.argv[1])), sys.stdout)
