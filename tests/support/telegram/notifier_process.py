"""A notifier in a process of its own that may be killed, forked from one that has aiogram already."""

from __future__ import annotations

import asyncio
import math
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from candleray.databases.patience import patiently
from candleray.databases.postgres import Postgres
from candleray.logs import configure_logs
from candleray.notify.notifier import Notifier
from candleray.settings import TelegramSettings
from tests.support.telegram.bots import TOKEN
from tests.support.telegram.people import nobody_stands

_FORKED = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload(["candleray.notify.bot", __name__])


class NotifierProcess:
    def __init__(self, postgres_url: str, api_url: str, settings: TelegramSettings, log: Path) -> None:
        self._given = (postgres_url, api_url, settings.model_dump_json(), str(log))
        self.start()

    def start(self) -> None:
        self._process = _FORKED.Process(target=serve, args=self._given, daemon=True)
        self._process.start()

    def kill(self) -> None:
        """End it, if it has not ended by itself."""
        self._process.kill()
        self._process.join()

    def kill_and_replace(self) -> None:
        assert self._process.is_alive(), f"it ended by itself: {self._given[-1]}"
        self.kill()
        self.start()


@contextmanager
def notifier_process(
    postgres_url: str, api_url: str, settings: TelegramSettings, log: Path
) -> Iterator[NotifierProcess]:
    process = NotifierProcess(postgres_url, api_url, settings, log)
    try:
        yield process
    finally:
        process.kill()


def serve(postgres_url: str, api_url: str, settings: str, log: str) -> None:
    with Path(log).open("a") as file:
        configure_logs("DEBUG", file)
        asyncio.run(_serve(postgres_url, api_url, TelegramSettings.model_validate_json(settings)))


async def _serve(postgres_url: str, api_url: str, settings: TelegramSettings) -> None:
    from candleray.notify.bot import TelegramBot

    postgres = await patiently(lambda: Postgres.open(postgres_url, max_connections=8), 0.2, math.inf)
    await Notifier(settings, postgres, partial(TelegramBot, TOKEN, api_url), nobody_stands).run()
