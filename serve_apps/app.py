"""The API as a Ray Serve application; each replica builds the routes and everything around them itself."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, TypeVar

import ray
from fastapi import FastAPI
from ray import serve
from ray.exceptions import RayError, RayTaskError

from actors.candle_store import ActorCall
from actors.ray_errors import translated_errors
from candleray.backtests.explanation import Explanation
from candleray.backtests.preflight import Preflight, SizedRequest
from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult
from candleray.databases.lazy_service import LazyService
from candleray.databases.postgres import Postgres
from candleray.databases.valkey import Valkey
from candleray.disk_room import room_fault
from candleray.duties.outcomes import DutyOutcomes
from candleray.errors import CandlerayError, InstanceError, ServiceUnavailable
from candleray.exchanges.shared_budget import MOST, SharedBudget
from candleray.jobs.store import Jobs
from candleray.logs import configure_logs
from candleray.market_data.candle_store_client import CandleStoreClient
from candleray.market_data.history import History
from candleray.search.estimate import require_job_guards
from candleray.settings import Settings, get_settings
from cluster.search.explaining import explain as explain_on_ray
from cluster.search.fan_out import backtest
from cluster.search.preflight import weigh
from serve_apps.api import build_api
from serve_apps.backend import Backend
from serve_apps.backfills import Backfills
from serve_apps.metrics import Metrics

T = TypeVar("T")

# No CPU of its own: replicas that each claim one would starve the tasks of a small machine for good.
REPLICA: dict[str, Any] = {"num_cpus": 0}

_DUTIES_KNOWN_WITHIN_S = 1.0
MORE_THAN_ANY_CONNECTIONS = 1_000_000


def build(settings: Settings) -> serve.Application:
    """The application as `serve.run` takes it; its replicas read their settings from the environment."""
    deployment = serve.deployment(
        serve.ingress(build_replica)(Api),
        name="api",
        num_replicas=settings.api.replicas,
        # Slots are shared among callers by `serve_apps.http.slots`, behind which nobody waits unseen.
        max_ongoing_requests=MORE_THAN_ANY_CONNECTIONS,
        ray_actor_options=REPLICA,
        health_check_period_s=5,
        health_check_timeout_s=5,  # Serve gives a replica up after three: within 20 s, as the supervisor does
        graceful_shutdown_wait_loop_s=0.2,
        graceful_shutdown_timeout_s=20,
        # Our own log has a line for every request.
        logging_config={"enable_access_log": False},
    )
    return deployment.bind()


class Api:
    """A replica, as Serve sees it beside its ASGI application."""

    async def check_health(self) -> None:
        """Pass as long as the loop that answers requests runs: this runs on it."""


def build_replica() -> FastAPI:
    settings = get_settings()
    configure_logs(settings.log_level)
    api = build_api(_backend(settings))
    freeze_objects()
    return api


def freeze_objects() -> None:
    """Exclude every object that exists now from garbage collection.

    A replica is built of a quarter of a million objects (routes, models of every indicator), which stay until it
    ends. A full collection over them stops the loop for 170 ms of one CPU; without them it takes no time.
    """
    gc.collect()
    gc.freeze()


def _backend(settings: Settings) -> Backend:
    candles = CandleStoreClient(ActorCall(settings))
    postgres = LazyService(Postgres.open, settings.services.postgres_url, "postgres_url")
    valkey = LazyService(Valkey.open, settings.services.redis_url, "redis_url")
    budget = SharedBudget(valkey.get, MOST - settings.history.live_reserve, settings.history.clock_speed)
    backfills = Backfills(lambda: History(settings.history, shared=budget))

    async def run(request: BacktestRequest) -> BacktestResult:
        return await _on_the_cluster(backtest(request, candles, settings))

    async def explain(request: BacktestRequest, variant_index: int) -> Explanation:
        return await _on_the_cluster(explain_on_ray(request, variant_index, candles, settings))

    async def preflight(request: BacktestRequest) -> Preflight:
        jobs = Jobs(await postgres.get(), settings.jobs)
        return await _on_the_cluster(weigh(request, candles, settings, await jobs.pace()))

    async def job_request(request: BacktestRequest) -> SizedRequest:
        if not settings.compute.dashboard:
            raise InstanceError("jobs are started through Ray's dashboard: set compute.dashboard")
        return await require_job_guards(request, candles, settings)

    async def close() -> None:
        await backfills.close()
        await postgres.close()
        await valkey.close()

    async def disk() -> None:
        if fault := await asyncio.to_thread(room_fault, settings.data_path):
            raise ServiceUnavailable(fault)

    async def duties() -> str | None:
        """Tell of those that failed; where Postgres does not answer, its own probe says so."""
        with suppress(CandlerayError, TimeoutError):
            async with asyncio.timeout(_DUTIES_KNOWN_WITHIN_S):
                return await DutyOutcomes(await postgres.get()).notice()
        return None

    candles_at = settings.services.clickhouse_url
    has_disk = candles_at is not None and candles_at.get_secret_value().startswith("chdb:")
    return Backend(
        settings=settings,
        candles=candles,
        run_backtest=run,
        explain=explain,
        backfills=backfills,
        preflight=preflight,
        job_request=job_request,
        probes={
            "clickhouse": candles.ping,
            "postgres": postgres.ping,
            "ray": _ping_ray,
            "valkey": valkey.ping,
            **({"disk": disk} if has_disk else {}),
            **({"duties": duties} if settings.live.instruments_every_s else {}),
        },
        metrics=Metrics(serve.get_replica_context().replica_tag),
        postgres=postgres.get,
        valkey=valkey.get,
        close=close,
    )


async def _on_the_cluster(work: Awaitable[T]) -> T:
    try:
        with translated_errors("the cluster"):
            return await work
    except RayTaskError:
        raise
    except RayError as exc:
        raise ServiceUnavailable("the cluster lost this backtest; send it again") from exc


async def _ping_ray() -> None:
    try:
        await asyncio.to_thread(ray.cluster_resources)
    except (RayError, ConnectionError) as exc:
        raise ServiceUnavailable("Ray's head does not answer") from exc
