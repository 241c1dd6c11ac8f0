"""Probes of what a replica needs, as `/ready` makes them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import ray
from ray.exceptions import RayError

from actors.heartbeats import last_beats
from candleray.databases.lazy_service import LazyService
from candleray.databases.postgres import Postgres
from candleray.databases.valkey import Valkey
from candleray.disk_room import room_fault
from candleray.duties.outcomes import DutyOutcomes
from candleray.errors import CandlerayError, ServiceUnavailable
from candleray.market_data.candle_store_client import CandleStoreClient
from candleray.notify.bot_store import BotStates
from candleray.settings import Settings
from serve_apps.backend import Probe

_KNOWN_WITHIN_S = 1.0
_BEATS_WITHIN_S = 2.0


def probes_of(
    settings: Settings, candles: CandleStoreClient, postgres: LazyService[Postgres], valkey: LazyService[Valkey]
) -> dict[str, Probe]:
    """The probes by name: of the disk where candles are stored here, of duties where there are any."""
    probes: dict[str, Probe] = {
        "clickhouse": candles.ping,
        "postgres": postgres.ping,
        "ray": _ping_ray,
        "valkey": valkey.ping,
    }
    candles_at = settings.services.clickhouse_url
    if candles_at is not None and candles_at.get_secret_value().startswith("chdb:"):
        probes["disk"] = lambda: _require_room(settings.data_path)
    if settings.live.instruments_every_s:
        probes["duties"] = lambda: _kept_notice(postgres, DutyOutcomes)
    if settings.telegram.enabled:
        probes["telegram"] = lambda: _kept_notice(postgres, BotStates)
    return probes


async def _ping_ray() -> None:
    try:
        await asyncio.to_thread(ray.cluster_resources)
    except (RayError, ConnectionError) as exc:
        raise ServiceUnavailable("Ray's head does not answer") from exc


async def beats_on_cluster() -> dict[str, float]:
    """The time of the last beat of each worker that has beaten.

    Raises:
        ServiceUnavailable: Ray's head does not answer.
    """
    try:
        async with asyncio.timeout(_BEATS_WITHIN_S):
            return await asyncio.to_thread(last_beats)
    except (RayError, ConnectionError, TimeoutError) as exc:
        raise ServiceUnavailable("Ray's head, which keeps the heartbeats, does not answer") from exc


async def _require_room(data: Path) -> None:
    if fault := await asyncio.to_thread(room_fault, data):
        raise ServiceUnavailable(fault)


async def _kept_notice(
    postgres: LazyService[Postgres], kept: Callable[[Postgres], DutyOutcomes | BotStates]
) -> str | None:
    """Tell of work that failed, as Postgres knows it; nothing else is less ready for it.

    Where Postgres does not answer, its own probe says so.
    """
    with suppress(CandlerayError, TimeoutError):
        async with asyncio.timeout(_KNOWN_WITHIN_S):
            return await kept(await postgres.get()).notice()
    return None
