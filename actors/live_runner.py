"""The actors that run live runs, each a shard of them, for as long as the cluster lives.

The work runs in a thread that starts with the process, so a restarted actor goes on by itself. At rest, with no
run on an instrument of its shard, it has not even imported what it would need.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

import ray
from ray.actor import ActorHandle

from actors.loop_thread import LoopThread
from actors.options import LIVE_RUNNER, live_runner_options, live_runners
from actors.ray_errors import translated_errors
from candleray.databases.lazy_service import LazyService
from candleray.databases.postgres import Postgres
from candleray.errors import CandlerayError, ServiceUnavailable, in_words
from candleray.live.run import ACTIVE_STATES
from candleray.live.runners.shard_figures import Observe, unobserved
from candleray.live.runners.sharding import shard_of
from candleray.logs import configure_logs, get_logger
from candleray.settings import IdentitySettings, Settings

if TYPE_CHECKING:
    from candleray.live.runners.shard_course import ShardCourse
    from candleray.live.standing import RunStanding
    from candleray.market_data.candle_store_client import StoreCall

log = get_logger("runners")

CONNECTIONS = 4
STANDINGS_WITHIN_S = 5.0


class LiveRunnerActor:
    def __init__(self, shard: int, settings: Settings) -> None:
        configure_logs(settings.log_level)
        self._shard = shard
        self._settings = settings
        self._course: ShardCourse | None = None
        self._thread = LoopThread(f"{LIVE_RUNNER} {shard}", self._follow)
        self._thread.start()

    def ping(self) -> None:
        """Raise `ServiceUnavailable` where the loop stands still."""
        self._thread.require()

    def standings(self, user_id: UUID) -> list[RunStanding]:
        """The standings of a user's runs in this shard."""
        if self._course is None:
            return []
        return self._thread.call(_standings(self._course, user_id), STANDINGS_WITHIN_S)

    async def _follow(self) -> None:
        postgres = await until_there_is_work(self._shard, self._settings)
        self._course = shard_course(self._shard, self._settings, postgres, *_of_cluster(self._settings))
        await self._course.run()


async def _standings(course: ShardCourse, user_id: UUID) -> list[RunStanding]:
    return course.standings(user_id)


async def until_there_is_work(shard: int, settings: Settings) -> Postgres:
    """Wait for an active run of the shard; return the Postgres that has it."""
    service = LazyService(
        partial(Postgres.open, max_connections=CONNECTIONS), settings.services.postgres_url, "postgres_url"
    )
    while True:
        try:
            postgres = await service.get()
            rows = await postgres.fetch("instruments_with_work", ACTIVE_STATES)
            if any(shard_of(row["instrument_key"], settings.live_runs.shards) == shard for row in rows):
                return postgres
        except CandlerayError as error:
            log.warning("shard_waits", shard=shard, step="runs", reason=in_words(error))
        await asyncio.sleep(settings.live_runs.look_s)


def shard_course(
    shard: int, settings: Settings, postgres: Postgres, call: StoreCall, observe: Observe = unobserved
) -> ShardCourse:
    """The course of a shard with these services."""
    # Imported here: at rest the actor has none of it in memory.
    from candleray.databases.valkey import Valkey
    from candleray.live.runners.shard_course import ShardCourse
    from candleray.live.runners.shard_state import ShardServices
    from candleray.market_data.candle_store_client import CandleStoreClient

    valkey = LazyService(Valkey.open, settings.services.redis_url, "redis_url")
    return ShardCourse(shard, settings, ShardServices(postgres, valkey.get, CandleStoreClient(call), observe))


def _of_cluster(settings: Settings) -> tuple[StoreCall, Observe]:
    from actors.candle_store import ActorCall
    from actors.live_runner_metrics import LiveRunnerMetrics

    return ActorCall(settings), LiveRunnerMetrics().observe


def live_runner(settings: Settings, shard: int) -> ActorHandle:
    """The handle of a shard's runner, started if it is not there."""
    # What guards identities is nothing for a process that computes.
    known = settings.model_copy(update={"identity": IdentitySettings()})
    return ray.remote(**live_runner_options(shard, settings.services))(LiveRunnerActor).remote(shard, known)


async def standings(settings: Settings, user_id: UUID) -> list[RunStanding]:
    """The standings of a user's runs, of every shard.

    Raises:
        ServiceUnavailable: a runner does not answer.
    """
    found: list[RunStanding] = []
    for name, shard in live_runners(settings.live_runs.shards).items():
        handle = await asyncio.to_thread(live_runner, settings, shard)
        try:
            with translated_errors(f"the {name}"):
                async with asyncio.timeout(STANDINGS_WITHIN_S):
                    found += await handle.standings.remote(user_id)
        except TimeoutError as error:
            raise ServiceUnavailable(f"the {name} does not answer within {STANDINGS_WITHIN_S:g} s") from error
    return found
