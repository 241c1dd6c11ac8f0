"""The actor that sends messages by Telegram and reads what people write to the bot, where the instance has one.

The work runs in a thread that starts with the process, so a restarted actor goes on by itself: what was being sent
is in the outbox, and what was not answered stays with Telegram.
"""

from __future__ import annotations

import asyncio
import math
from functools import partial
from importlib.util import find_spec

import ray
from ray.actor import ActorHandle

from actors.loop_thread import LoopThread
from actors.options import ON_HEAD, TELEGRAM_NOTIFIER, TELEGRAM_NOTIFIER_PART
from candleray.databases.lazy_service import LazyService
from candleray.databases.patience import patiently
from candleray.databases.postgres import Postgres
from candleray.databases.valkey import Valkey
from candleray.live.stores.standings import standings_of
from candleray.logs import configure_logs, get_logger
from candleray.notify.bot_store import BotStates
from candleray.settings import Settings, get_settings

log = get_logger("telegram")

AGAIN_S = 5.0
TELL_S = 60.0
CONNECTIONS = 8
NOT_INSTALLED = (
    "the extra 'notify' is not installed: pip install 'candleray[notify]', and start the instance again"
)


class TelegramNotifierActor:
    def __init__(self) -> None:
        settings = get_settings()  # read here: as an argument its secrets would be kept by Ray
        configure_logs(settings.log_level)
        self._thread = LoopThread(TELEGRAM_NOTIFIER_PART, lambda: notify(settings))
        self._thread.start()

    def ping(self) -> None:
        """Raise `ServiceUnavailable` where the loop stands still."""
        self._thread.require()


async def notify(settings: Settings) -> None:
    """Send and read until this task is cancelled."""
    url = settings.services.postgres_url
    lazy = LazyService(partial(Postgres.open, max_connections=CONNECTIONS), url, "postgres_url")
    postgres = await patiently(lazy.get, AGAIN_S, math.inf)
    if find_spec("aiogram") is None:
        log.error("telegram_is_off", reason=NOT_INSTALLED)
        while True:  # what is told once is nothing that anybody knows of minutes later
            await patiently(partial(BotStates(postgres).tell, "", NOT_INSTALLED), AGAIN_S, math.inf)
            await asyncio.sleep(TELL_S)
    await asyncio.to_thread(__import__, "candleray.notify.bot")  # takes seconds, in which the loop turns
    from actors.telegram_metrics import TelegramMetrics
    from candleray.notify.bot import TelegramBot
    from candleray.notify.notifier import Notifier

    token = settings.identity.bot_token
    bot = partial(TelegramBot, token.get_secret_value() if token else "", settings.telegram.api_url)
    try:
        standings = partial(standings_of, LazyService(Valkey.open, settings.services.redis_url, "redis_url").get)
        await Notifier(settings.telegram, postgres, bot, standings, TelegramMetrics().observe).run()
    finally:
        await postgres.close()


def telegram_notifier(settings: Settings) -> ActorHandle:
    """The handle of the cluster's notifier, started if it is not there; it reads its settings itself."""
    return ray.remote(**TELEGRAM_NOTIFIER, **ON_HEAD)(TelegramNotifierActor).remote()
