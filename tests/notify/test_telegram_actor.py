"""The notifier's actor in a real cluster: it goes on where a killed one stopped; its token is in no log."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray

from actors.telegram_notifier import telegram_notifier
from candleray.databases.postgres import Postgres
from candleray.settings import Settings
from tests.support.instances.processes import process_of_actor
from tests.support.instances.ray_workers import ray_workers
from tests.support.telegram.bots import TOKEN
from tests.support.telegram.fake_bot_api import fake_bot_api
from tests.support.telegram.people import forget_chats, linked, numbers_in, say
from tests.support.waiting import eventually

pytestmark = pytest.mark.cluster


@pytest.fixture
def environment(postgres_url: str) -> Iterator[pytest.MonkeyPatch]:
    pytest.importorskip("aiogram", reason="the extra 'notify' (aiogram) is not installed")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CANDLERAY_ENVIRONMENT", "test")
        environment.setenv("CANDLERAY_SERVICES__POSTGRES_URL", postgres_url)
        environment.setenv("CANDLERAY_IDENTITY__BOT_TOKEN", TOKEN)
        environment.setenv("CANDLERAY_TELEGRAM__LOOK_S", "0.2")
        environment.setenv("CANDLERAY_TELEGRAM__POLL_S", "1")
        environment.setenv("CANDLERAY_LOG_LEVEL", "DEBUG")
        yield environment


async def test_a_killed_notifier_goes_on_and_its_token_stands_in_no_log(
    postgres: Postgres, environment: pytest.MonkeyPatch
):
    await forget_chats(postgres)
    async with fake_bot_api(TOKEN) as api:
        environment.setenv("CANDLERAY_TELEGRAM__API_URL", api.url)
        ada = await linked(postgres, api)
        with ray_workers(1):
            actor = telegram_notifier(Settings())
            await asyncio.wrap_future(actor.ping.remote().future())
            first = await say(postgres, ada, [0])
            await eventually(lambda: numbers_in(api.texts(ada.chat_id)) == first)
            process = await eventually(lambda: process_of_actor("TelegramNotifierActor"))
            os.kill(process.pid, signal.SIGKILL)
            second = await say(postgres, ada, [1])
            await eventually(lambda: numbers_in(api.texts(ada.chat_id)) == [*first, *second])
            logs = list((Path(ray._private.worker._global_node.get_session_dir_path()) / "logs").rglob("*"))
            texts = [file.read_text(errors="replace") for file in logs if file.is_file()]
            ray.kill(actor)
    assert any("telegram_begins" in text for text in texts)
    assert not any(TOKEN in text or TOKEN.partition(":")[2] in text for text in texts)
