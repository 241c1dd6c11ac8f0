"""The wait of a first process: compiling into an empty cache, and loading from a full one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.table import Row
from tests.bench.timing import Timing
from tests.bench.workload import Market

ROOT = Path(__file__).resolve().parents[2]

SEARCH = "the kernels of a search"
EVERYTHING = "every kernel and indicator"
_LOADED_BY = {
    SEARCH: "from cluster.search.tasks import load_kernels; load_kernels()",
    EVERYTHING: "import runpy; runpy.run_module('kernels', run_name='__main__')",
}
_PROGRAM = """
import time
wall, cpu = time.perf_counter(), time.process_time()
{loaded}
print(time.process_time() - cpu, time.perf_counter() - wall)
"""


def rows(_market: Market, quick: bool) -> list[Row]:
    return [row for name in ([SEARCH] if quick else [SEARCH, EVERYTHING]) for row in _cold_and_warm(name)]


def _cold_and_warm(name: str) -> list[Row]:
    program = _PROGRAM.format(loaded=_LOADED_BY[name])
    with tempfile.TemporaryDirectory(prefix="candleray-bench-numba-") as folder:
        taken = [(state, _in_a_new_process(program, folder)) for state in ("cold", "warm")]
    return [Row.timed("compile time", f"{name}, {state}", "process", timing) for state, timing in taken]


def _in_a_new_process(program: str, cache_folder: str) -> Timing:
    """Imports included; the interpreter's own start is not."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache_folder}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    cpu_s, wall_s = done.stdout.split()
    return Timing(float(cpu_s), float(wall_s))
