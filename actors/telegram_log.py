"""The log of what runs say, where no bot tells it: in the scheduler's process, on a thread of its own."""

from __future__ import annotations

import asyncio
import math
from functools import partial

from actors.loop_thread import keep_doing
from candleray.databases.lazy_service import LazyService
from candleray.databases.patience import patiently
from candleray.databases.postgres import Postgres
from candleray.logs import get_logger
from candleray.settings import Settings

log = get_logger("telegram")

AGAIN_S = 5.0


def start_telegram_log(settings: Settings) -> None:
    """Log from now on, as long as this process lives, unless a bot tells it."""
    if not settings.telegram.enabled:
        keep_doing("telegram log", lambda: _log(settings), AGAIN_S)


async def _log(settings: Settings) -> None:
    from candleray.notify.event_log import EventLog  # here: jobs of this process begin sooner

    lazy = LazyService(partial(Postgres.open, max_connections=1), settings.services.postgres_url, "postgres_url")
    try:
        event_log = EventLog(await patiently(lazy.get, AGAIN_S, math.inf))
        await event_log.begin()
        if settings.environment == "prod":
            await asyncio.Event().wait()  # logs of production hold nobody's trades
        await event_log.run()
    finally:
        await lazy.close()
