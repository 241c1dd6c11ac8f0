"""Names, restarts and resources of the long-lived actors, in one place."""

from __future__ import annotations

from typing import Any

from candleray.markets import MARKETS

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


def live_runner_options(shard: int) -> dict[str, Any]:
    return {**_LONG_LIVED, "name": f"live-runner-{shard}"}


ON_HEAD: dict[str, Any] = {"resources": {"node:__internal_head__": 0.001}}
"""The resource of actors that need the data folder, which only the head has."""
