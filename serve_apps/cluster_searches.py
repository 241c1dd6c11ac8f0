"""Searches of a replica, on the cluster that it belongs to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from ray.exceptions import RayError, RayTaskError

from actors.ray_errors import translated_errors
from candleray.backtests.explanation import Explanation
from candleray.backtests.preflight import Preflight, SizedRequest
from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult
from candleray.databases.postgres import Postgres
from candleray.errors import InstanceError, ServiceUnavailable
from candleray.jobs.store import Jobs
from candleray.market_data.candle_store_client import CandleStoreClient
from candleray.search.estimate import require_job_guards
from candleray.settings import Settings
from cluster.search import explaining, fan_out
from cluster.search.preflight import weigh
from cluster.search.tasks import all_finished, submit

T = TypeVar("T")


class ClusterSearches:
    def __init__(
        self, settings: Settings, candles: CandleStoreClient, postgres: Callable[[], Awaitable[Postgres]]
    ) -> None:
        self._settings = settings
        self._candles = candles
        self._postgres = postgres

    async def backtest(self, request: BacktestRequest) -> BacktestResult:
        return await _on_the_cluster(fan_out.backtest(request, self._candles, self._settings))

    async def explain(self, request: BacktestRequest, variant_index: int) -> Explanation:
        return await _on_the_cluster(explaining.explain(request, variant_index, self._candles, self._settings))

    async def compute(self, step: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function with its arguments in one task."""
        return await _on_the_cluster(_one_task(step, *arguments))

    async def preflight(self, request: BacktestRequest) -> Preflight:
        jobs = Jobs(await self._postgres(), self._settings.jobs)
        return await _on_the_cluster(weigh(request, self._candles, self._settings, await jobs.pace()))

    async def job_request(self, request: BacktestRequest) -> SizedRequest:
        if not self._settings.compute.dashboard:
            raise InstanceError("jobs are started through Ray's dashboard: set compute.dashboard")
        return await require_job_guards(request, self._candles, self._settings)


async def _one_task(step: Callable[..., Any], *arguments: Any) -> Any:
    (found,) = await all_finished([submit(step.__name__, step, *arguments)], lambda done, total: None)
    return found


async def _on_the_cluster(work: Awaitable[T]) -> T:
    try:
        with translated_errors("the cluster"):
            return await work
    except RayTaskError:
        raise
    except RayError as exc:
        raise ServiceUnavailable("the cluster lost this backtest; send it again") from exc
