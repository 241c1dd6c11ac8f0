"""Medians of CPU and wall time on one core.

What is compared is measured turn by turn in one process, so that a clock or a neighbour that slows one slows all.
Ratios are of CPU time: it does not count the turns that the scheduler gives to others.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

Work: TypeAlias = Callable[[], Any]


@dataclass(frozen=True)
class Timing:
    """Median seconds of one unit of work."""

    cpu_s: float
    wall_s: float

    def per(self, units: float) -> Timing:
        return Timing(self.cpu_s / units, self.wall_s / units)


def pin_to_one_core() -> int:
    """Keep this process and its children on one core; return its number."""
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return core


def once(work: Work) -> Timing:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Timing(time.process_time() - cpu, time.perf_counter() - wall)


def medians(works: Mapping[str, Work], repeats: int, warm: bool = True) -> dict[str, Timing]:
    """Each work `repeats` times, turn by turn; a first unmeasured turn compiles and fills caches."""
    if warm:
        for work in works.values():
            work()
    return medians_of({name: partial(once, work) for name, work in works.items()}, repeats)


def medians_of(measurements: Mapping[str, Callable[[], Timing]], repeats: int) -> dict[str, Timing]:
    """The same of what takes its own time."""
    taken: dict[str, list[Timing]] = {name: [] for name in measurements}
    for _ in range(repeats):
        for name, measure in measurements.items():
            taken[name].append(measure())
    return {name: _median(timings) for name, timings in taken.items()}


def _median(timings: list[Timing]) -> Timing:
    return Timing(
        statistics.median(timing.cpu_s for timing in timings),
        statistics.median(timing.wall_s for timing in timings),
    )
