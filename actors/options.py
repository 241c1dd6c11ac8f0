"""Names, restarts and resources of the long-lived actors, in one place."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from candleray.markets import MARKETS
from candleray.settings import ServiceSettings, Settings

NAMESPACE = "candleray"

# No CPU of their own: two actors that each claim one would starve the tasks of a small machine for good. Endless
# restarts and retries: Ray repeats a call whose process died, so every method of a long-lived actor must be safe
# to repeat.
_LONG_LIVED: dict[str, Any] = {
    "namespace": NAMESPACE,
    "lifetime": "detached",
    "get_if_exists": True,
    "num_cpus": 0,
    "max_restarts": -1,
    "max_task_retries": -1,
}

CANDLE_STORE: dict[str, Any] = {**_LONG_LIVED, "name": "candle-store"}
JOB_SCHEDULER: dict[str, Any] = {**_LONG_LIVED, "name": "job-scheduler"}
TELEGRAM_NOTIFIER: dict[str, Any] = {**_LONG_LIVED, "name": "telegram-notifier"}
TELEGRAM_NOTIFIER_PART = "telegram notifier"

FEEDS: dict[str, str] = {
    f"{venue} feed": venue for venue in sorted({market.exchange for market in MARKETS.values()})
}
"""Venues whose live candles are ingested, each by an actor of its own, by the part's name."""


def market_feed_options(venue: str) -> dict[str, Any]:
    return {**_LONG_LIVED, "name": f"{venue}-feed"}


LIVE_RUNNER = "live runner"
"""The name of the parts that run live runs, before the number of the shard."""


def live_runners(shards: int) -> dict[str, int]:
    """Shards of live runs, each an actor's, by the part's name."""
    return {f"{LIVE_RUNNER} {shard}": shard for shard in range(shards)}


RAY_DRIVER = "ray driver"
JOB_DRIVERS = "job drivers"
"""The drivers of all jobs as one worker, for which the scheduler tells the oldest of their beats."""


def long_lived_actors(settings: Settings) -> tuple[str, ...]:
    """The names of the parts that are actors, each of which answers for itself."""
    notifier = (TELEGRAM_NOTIFIER_PART,) if settings.telegram.enabled else ()
    return ("candle store", "job scheduler", *FEEDS, *live_runners(settings.live_runs.shards), *notifier)


def workers(settings: Settings) -> tuple[str, ...]:
    """The names of all that beat."""
    return (RAY_DRIVER, *long_lived_actors(settings), JOB_DRIVERS)


ON_HEAD: dict[str, Any] = {"resources": {"node:__internal_head__": 0.001}}
"""The resource of actors that need the data folder, which only the head has."""


def live_runner_options(shard: int, services: ServiceSettings) -> dict[str, Any]:
    """Options of a runner: it runs on any node where all nodes reach Postgres and Valkey, else beside these."""
    reachable = all(map(is_reached_by_all_nodes, (services.postgres_url, services.redis_url)))
    where = {"scheduling_strategy": "SPREAD"} if reachable else ON_HEAD
    return {**_LONG_LIVED, "name": f"live-runner-{shard}", **where}


def is_reached_by_all_nodes(url: SecretStr | None) -> bool:
    """False for an embedded service, or another one that listens on this machine alone."""
    host = None if url is None else urlsplit(url.get_secret_value()).hostname
    if not host or host == "localhost":
        return False
    with suppress(ValueError):
        return not ip_address(host).is_loopback
    return True
