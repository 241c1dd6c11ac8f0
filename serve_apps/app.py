"""The API as a Ray Serve application; each replica builds the routes and everything around them itself."""

from __future__ import annotations

import gc
from typing import Any

from fastapi import FastAPI
from ray import serve

from actors.candle_store import ActorCall
from candleray.databases.lazy_service import LazyService
from candleray.databases.postgres import Postgres
from candleray.databases.valkey import Valkey
from candleray.exchanges.shared_budget import MOST, SharedBudget
from candleray.live.starting.start_checks import StartChecks
from candleray.logs import configure_logs
from candleray.market_data.candle_store_client import CandleStoreClient
from candleray.market_data.history import History
from candleray.settings import Settings, get_settings
from serve_apps.api import build_api
from serve_apps.backend import Backend
from serve_apps.backfills import Backfills
from serve_apps.cluster_searches import ClusterSearches
from serve_apps.metrics import Metrics
from serve_apps.probes import beats_on_cluster, probes_of

# No CPU of its own: replicas that each claim one would starve the tasks of a small machine for good.
REPLICA: dict[str, Any] = {"num_cpus": 0}

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
    searches = ClusterSearches(settings, candles, postgres.get)

    async def close() -> None:
        await backfills.close()
        await postgres.close()
        await valkey.close()

    return Backend(
        settings=settings,
        candles=candles,
        run_backtest=searches.backtest,
        explain=searches.explain,
        compute=searches.compute,
        backfills=backfills,
        preflight=searches.preflight,
        job_request=searches.job_request,
        last_beats=beats_on_cluster,
        probes=probes_of(settings, candles, postgres, valkey),
        metrics=Metrics(serve.get_replica_context().replica_tag),
        postgres=postgres.get,
        valkey=valkey.get,
        starts=StartChecks(candles, postgres.get, settings.live),
        close=close,
    )
