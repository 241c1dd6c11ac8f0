"""The grid's Ray tasks: each fetches shared arrays without a copy, calls one step of the engine, returns.

A task's arguments are ids and references, its answer its own top K: two thousand of them pending cost nothing.
Chunks of planes come as nested references, so that a task fetches them itself and Ray does not copy them.
"""

from __future__ import annotations

from typing import Any

import ray

from candleray import engine
from candleray.backtests import BacktestRequest, RankedVariant
from candleray.variants import VariantGrid

# A killed worker's task runs again elsewhere; an error of ours would only come again, so it is not retried.
TASK = {"num_cpus": 1, "max_retries": 5}


@ray.remote(**TASK)
def build_planes(
    bars: engine.Bars, request: BacktestRequest, first: int, last: int, default_warmup: int
) -> engine.PlaneArray:
    return engine.planes_of(bars, VariantGrid(request), first, last, default_warmup)


@ray.remote(**TASK)
def rank_variants(
    bars: engine.Bars, request: BacktestRequest, plane_refs: list[Any], first: int, last: int
) -> engine.Ranking:
    planes = engine.Planes.over(ray.get(plane_refs))
    return engine.rank_variants(bars, VariantGrid(request), planes, first, last)


@ray.remote(**TASK)
def report_variants(
    bars: engine.Bars,
    request: BacktestRequest,
    plane_refs: list[Any],
    ranking: engine.Ranking,
    first_rank: int,
) -> list[RankedVariant]:
    planes = engine.Planes.over(ray.get(plane_refs))
    return engine.report_variants(bars, VariantGrid(request), planes, ranking, first_rank)


@ray.remote(**TASK)
def warm_kernels() -> bool:
    """Importing the kernels compiles them, or loads them from the cache: done before anyone waits for it."""
    return engine.rank_variants is not None
