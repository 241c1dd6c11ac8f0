"""Duties in the scheduler's process, on a thread of their own: what they read keeps no job waiting."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import ray
from ray.util.metrics import Counter, Gauge

from actors.candle_store import ActorCall
from actors.loop_thread import keep_doing
from candleray.databases.lazy_service import LazyService
from candleray.databases.patience import patiently
from candleray.databases.postgres import Postgres
from candleray.databases.valkey import Valkey
from candleray.duties.course import follow
from candleray.duties.duty import Means
from candleray.duties.outcomes import DutyOutcomes
from candleray.duties.roster import find_duties
from candleray.exchanges.shared_budget import MOST, SharedBudget
from candleray.live.run import Parity
from candleray.logs import get_logger
from candleray.market_data.candle_store_client import CandleStoreClient
from candleray.market_data.history import History
from candleray.settings import Settings

log = get_logger("duties")

AGAIN_S = 5.0
BUDGET_SHARE = 0.05
"""Part of an exchange's request budget while it cannot be shared: what the settings leave of it."""


class DutyMetrics:
    def __init__(self) -> None:
        self._done = Gauge(
            "candleray_duty_last_done_time_seconds", "Time at which a duty was last done.", ("duty",)
        )
        self._took = Gauge("candleray_duty_seconds", "Length of the last attempt at a duty.", ("duty",))
        self._failures = Counter("candleray_duty_failures", "Times that a duty was not done.", ("duty",))

        self._runs = Gauge(
            "candleray_running_runs", "Running runs by the verdict of their last certificate.", ("parity",)
        )

    def show_parities(self, counts: Mapping[str, int]) -> None:
        for parity in Parity:
            self._runs.set(counts.get(parity, 0), {"parity": parity.value})

    def tell(self, duty: str, is_done: bool, took_s: float) -> None:
        self._took.set(took_s, {"duty": duty})
        if is_done:
            self._done.set(time.time(), {"duty": duty})
        else:
            self._failures.inc(1, {"duty": duty})


def start_duties(settings: Settings) -> None:
    """Do all duties from now on, as long as this process lives."""
    metrics = DutyMetrics()
    keep_doing("duties", lambda: _do_all(settings, metrics), AGAIN_S)


async def _on_a_worker(step: Callable[..., Any], *arguments: Any) -> Any:
    # No core is kept for it: it is to be done beside searches that take all of them.
    return await ray.remote(num_cpus=0)(step).options(name=step.__name__).remote(*arguments)


async def _do_all(settings: Settings, metrics: DutyMetrics) -> None:
    candles = CandleStoreClient(ActorCall(settings))
    lazy = LazyService(partial(Postgres.open, max_connections=2), settings.services.postgres_url, "postgres_url")
    valkey = LazyService(Valkey.open, settings.services.redis_url, "redis_url")
    postgres = await patiently(lazy.get, AGAIN_S, math.inf)
    try:
        share = MOST - settings.history.live_reserve
        config = settings.history.model_copy(update={"budget_share": BUDGET_SHARE})
        async with History(config, shared=SharedBudget(valkey.get, share, config.clock_speed)) as history:
            means = Means(settings, postgres, candles, history, _on_a_worker, metrics.show_parities)
            duties = find_duties(means)
            await asyncio.gather(*(follow(duty, DutyOutcomes(postgres), metrics.tell) for duty in duties))
    finally:
        await valkey.close()
        await postgres.close()
