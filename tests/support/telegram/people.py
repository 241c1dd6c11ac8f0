"""People with a linked chat and a run that says something."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from candleray.databases.postgres import Postgres
from candleray.live.events import EventBody, SignalChange
from candleray.live.standing import RunStanding
from candleray.live.stores.event_store import NewEvent, append
from candleray.notify.bot_store import BotStates
from candleray.notify.chat_store import TelegramChats
from tests.support.live.saved_runs import SavedRun, saved_run
from tests.support.telegram.fake_bot_api import FakeBotApi
from tests.support.users import new_user

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
LONG = SignalChange(signal="long", before="none", close=100.5)


@dataclass(frozen=True, eq=False)
class Person:
    user_id: UUID
    telegram_user_id: int
    run: SavedRun

    @property
    def chat_id(self) -> int:
        return self.telegram_user_id


async def somebody(postgres: Postgres) -> Person:
    """A user with a run, whose chat is not linked."""
    user = await new_user(postgres)
    return Person(user.user_id, user.telegram_user_id, await saved_run(postgres, user_id=user.user_id))


async def link_token(postgres: Postgres, person: Person) -> str:
    await BotStates(postgres).tell("candleray_test_bot", None)
    link = await TelegramChats(postgres).new_link(person.user_id, 10)
    return link.url.partition("?start=")[2]


async def linked(postgres: Postgres, api: FakeBotApi) -> Person:
    """A user whose chat is linked."""
    person = await somebody(postgres)
    await link(postgres, api, person)
    return person


async def link(postgres: Postgres, api: FakeBotApi, person: Person) -> None:
    token = await link_token(postgres, person)
    assert await TelegramChats(postgres).confirm(token, person.telegram_user_id, person.chat_id)
    api.open_chat(person.chat_id)


async def say(postgres: Postgres, person: Person, minutes: Iterable[int], body: EventBody = LONG) -> list[int]:
    """Have the person's run say something about these minutes; the numbers of its events."""
    run = person.run
    events = [NewEvent(run.user_id, run.run_id, 1, NOON + timedelta(minutes=minute), body) for minute in minutes]
    async with postgres.transaction() as transaction:
        return [event.number for event in await append(transaction, events)]


async def forget_chats(postgres: Postgres) -> None:
    """Unlink everybody, of earlier tests."""
    async with postgres.connection() as connection:
        await connection.execute("DELETE FROM notification_outbox")
        await connection.execute("DELETE FROM telegram_chats")


def numbers_in(texts: Sequence[str]) -> list[int]:
    """The numbers of the events that these texts tell."""
    return [int(number) for text in texts for number in re.findall(r"^#(\d+)\b", text, re.MULTILINE)]


async def nobody_stands(user_id: UUID) -> dict[UUID, RunStanding]:
    """The standings where no runner is at work."""
    return {}
