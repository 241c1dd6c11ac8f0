"""The routes about messages, and the settings that they need."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from candleray.databases.postgres import Postgres
from candleray.identity.local_secrets import with_local_secrets
from candleray.identity.models import User
from candleray.notify.bot_store import BotStates
from candleray.notify.chat_store import TelegramChats
from candleray.settings import IdentitySettings, Settings, TelegramSettings
from tests.support.api.in_process_api import backend, serving
from tests.support.live.saved_runs import saved_run


@pytest.fixture
async def api(postgres: Postgres, user: User) -> AsyncIterator[httpx.AsyncClient]:
    await BotStates(postgres).tell("candleray_test_bot", None)
    async with serving(backend(object()), user) as client:
        yield client


async def test_a_chat_is_linked_shown_and_unlinked(api: httpx.AsyncClient, postgres: Postgres):
    made = await api.post("/me/telegram/link")
    assert "no-store" in made.headers["Cache-Control"]
    token = made.json()["url"].partition("?start=")[2]
    telegram_user_id = (await api.get("/me")).json()["telegram_user_id"]
    assert not (await api.get("/me/telegram")).json()["linked"]
    assert await TelegramChats(postgres).confirm(token, telegram_user_id, telegram_user_id)
    state = (await api.get("/me/telegram")).json()
    assert (state["linked"], state["bot"], state["waiting"]) == (True, "candleray_test_bot", 0)
    assert not (await api.delete("/me/telegram")).json()["linked"]
    assert not (await api.delete("/me/telegram")).json()["linked"], "again is the same"


async def test_a_policy_is_kept_and_another_users_run_in_it_is_unknown(api: httpx.AsyncClient, postgres: Postgres):
    policy = {"kinds": ["exit", "entry"], "quiet_hours": {"start": "23:00", "end": "07:00"}}
    kept = (await api.put("/me/telegram/policy", json=policy)).raise_for_status().json()["policy"]
    assert kept["kinds"] == ["entry", "exit"]
    assert kept["quiet_hours"] == {"start": "23:00", "end": "07:00", "zone": "UTC"}
    foreign = await saved_run(postgres)
    answer = await api.put("/me/telegram/policy", json={"runs": {str(foreign.run_id): {"muted": True}}})
    assert (answer.status_code, answer.json()["error"]["message"]) == (404, f"there is no run {foreign.run_id}")
    assert (await api.get("/me/telegram")).json()["policy"] == kept


async def test_a_mute_that_is_over_is_shown_no_more(api: httpx.AsyncClient):
    now = datetime.now(UTC)
    for until, shown in ((now + timedelta(hours=1), True), (now - timedelta(seconds=1), False)):
        for muted in (True, False):
            policy = {"muted": muted, "muted_until": until.isoformat()}
            answers = [await api.put("/me/telegram/policy", json=policy), await api.get("/me/telegram")]
            for answer in answers:
                kept = answer.json()["policy"]
                assert (kept["muted"], kept["muted_until"] is not None) == (muted, shown)


async def test_trouble_is_the_reason_for_now_and_a_notifier_that_is_silent_is_one(
    api: httpx.AsyncClient, postgres: Postgres
):
    await BotStates(postgres).tell("candleray_test_bot", "Telegram is not reached")
    assert (await api.get("/me/telegram")).json()["trouble"].startswith("Telegram is not reached (since 20")
    async with postgres.connection() as connection:
        await connection.execute("UPDATE telegram_bot SET told_at = told_at - interval '1 hour'")
    assert (await api.get("/me/telegram")).json()["trouble"].startswith("the notifier has told nothing since 20")


@pytest.mark.parametrize("url", ["http://127.0.0.1:8081", "ftp://x", "api.telegram.org"])
def test_in_production_the_token_goes_over_https_alone(url: str):
    with pytest.raises(ValueError, match=r"https://"):
        Settings(environment="prod", telegram=TelegramSettings(api_url=url))


def test_a_token_that_the_instance_made_itself_sends_nothing_unless_it_is_asked_for(tmp_path: Path):
    made = with_local_secrets(Settings(environment="test", data_dir=tmp_path))
    given = IdentitySettings(bot_token="1234567890:given-by-a-person-to-the-settings")
    asked = TelegramSettings(enabled=True, api_url="http://127.0.0.1:9/")
    assert made.telegram.enabled is False
    assert with_local_secrets(Settings(environment="test", data_dir=tmp_path, identity=given)).telegram.enabled
    assert with_local_secrets(Settings(environment="test", data_dir=tmp_path, telegram=asked)).telegram.enabled
    assert asked.api_url == "http://127.0.0.1:9"
