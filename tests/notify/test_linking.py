"""A chat is linked by the account's own person alone, by a link that is good for minutes and for once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from secrets import token_urlsafe
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from candleray.databases.postgres import Postgres
from candleray.errors import Conflict, NotFound
from candleray.identity.models import User
from candleray.identity.tokens import token_hash
from candleray.notify.bot_store import BotStates
from candleray.notify.chat_store import TelegramChats
from candleray.notify.event_reader import read_events
from candleray.notify.outbox import Outbox
from candleray.notify.policies import NotificationPolicy, RunPolicy
from candleray.settings import TelegramSettings
from tests.support.live.said_events import LONG, said
from tests.support.live.saved_runs import saved_run
from tests.support.users import new_user


@pytest.fixture
async def ada(postgres: Postgres, user: User) -> User:
    await BotStates(postgres).tell("candleray_test_bot", None)
    return user


@pytest.fixture
def chats(postgres: Postgres) -> TelegramChats:
    return TelegramChats(postgres)


async def token_for(chats: TelegramChats, person: User, minutes: int = 10) -> str:
    parts = urlsplit((await chats.new_link(person.user_id, minutes)).url)
    assert (parts.scheme, parts.netloc, parts.path) == ("https", "t.me", "/candleray_test_bot")
    return parse_qs(parts.query)["start"][0]


async def confirm(chats: TelegramChats, token: str, person: User) -> bool:
    return await chats.confirm(token, person.telegram_user_id, person.telegram_user_id)


async def test_a_link_links_the_chat_of_its_own_person_and_says_so_however_often_it_is_opened(chats, ada):
    token = await token_for(chats, ada)
    assert [await confirm(chats, token, ada) for _ in range(3)] == [True] * 3
    assert (await chats.state(ada.user_id)).linked
    assert await chats.user_of(ada.telegram_user_id, ada.telegram_user_id) == ada.user_id


async def test_opened_by_many_at_once_it_links_once(chats, postgres, ada):
    token = await token_for(chats, ada)
    assert await asyncio.gather(*(confirm(chats, token, ada) for _ in range(5))) == [True] * 5
    rows = await postgres.fetch("audit_events_from", 0, 100_000)
    assert [row["event"] for row in rows if row["user_id"] == ada.user_id] == ["telegram_linked"]


async def test_in_other_hands_it_links_nothing_and_stays_good_for_its_person(chats, postgres, ada):
    token, eve = await token_for(chats, ada), await new_user(postgres)
    assert not await confirm(chats, token, eve)
    assert not (await chats.state(eve.user_id)).linked
    assert not (await chats.state(ada.user_id)).linked
    assert await confirm(chats, token, ada)
    assert not await confirm(chats, token, eve), "a used one neither"


async def test_expired_replaced_and_used_ones_link_nothing(chats, postgres, ada):
    expired = await token_for(chats, ada)
    await postgres.fetch("open_telegram_link", ada.user_id, token_hash(expired), timedelta(seconds=-1))
    assert not await confirm(chats, expired, ada)
    replaced = await token_for(chats, ada)
    used = await token_for(chats, ada)
    assert not await confirm(chats, expired, ada)
    assert not await confirm(chats, replaced, ada)
    assert await confirm(chats, used, ada)
    await chats.unlink(ada.user_id)
    assert not await confirm(chats, used, ada), "unlinking makes it void"
    assert await confirm(chats, await token_for(chats, ada), ada)


@pytest.mark.parametrize(
    "token", ["", "x", "ü" * 43, "a" * 42, "a" * 44, "' OR true --" + "a" * 31, "a" * 42 + "\n"]
)
async def test_what_is_no_token_links_nothing(chats, ada, token: str):
    assert not await confirm(chats, token, ada)


async def test_guesses_link_nothing(chats, ada):
    await token_for(chats, ada)

    async def guess(times: int) -> bool:
        return any([await confirm(chats, token_urlsafe(32), ada) for _ in range(times)])

    assert not any(await asyncio.gather(*(guess(125) for _ in range(8))))
    assert not (await chats.state(ada.user_id)).linked


async def test_only_the_hash_of_its_token_is_kept(chats, postgres, ada):
    token = await token_for(chats, ada)
    async with postgres.connection() as connection:
        kept = await connection.fetchval("SELECT token_hash FROM telegram_links WHERE user_id = $1", ada.user_id)
    assert kept == token_hash(token)


async def test_without_a_bot_there_is_no_link_and_the_remedy_is_named(chats, postgres, ada):
    await BotStates(postgres).forget()
    with pytest.raises(Conflict, match="CANDLERAY_IDENTITY__BOT_TOKEN"):
        await chats.new_link(ada.user_id, 10)
    await BotStates(postgres).tell("", "Telegram does not know the bot's token")
    with pytest.raises(Conflict, match="not at work: Telegram does not know"):
        await chats.new_link(ada.user_id, 10)
    assert (await chats.state(ada.user_id)).bot is None


async def test_a_chat_that_was_turned_off_is_nobodys_until_a_new_link_is_opened(chats, ada):
    assert await confirm(chats, await token_for(chats, ada), ada)
    await chats.turn_off(ada.user_id)
    state = await chats.state(ada.user_id)
    assert state.linked
    assert state.off_since is not None
    assert await chats.user_of(ada.telegram_user_id, ada.telegram_user_id) is None
    assert await confirm(chats, await token_for(chats, ada), ada)
    assert (await chats.state(ada.user_id)).off_since is None


async def test_a_chat_is_that_of_the_account_s_own_person_alone(chats, postgres, ada):
    eve = await new_user(postgres)
    assert await confirm(chats, await token_for(chats, ada), ada)
    assert await chats.user_of(ada.telegram_user_id, eve.telegram_user_id) is None


async def test_what_waited_when_a_chat_was_unlinked_or_off_is_told_to_no_later_one(chats, postgres, ada):
    run, outbox = await saved_run(postgres, user_id=ada.user_id), Outbox(postgres)
    assert await confirm(chats, await token_for(chats, ada), ada)
    for hour, end in enumerate((chats.unlink, chats.turn_off)):
        await said(postgres, run, [(2 * hour, LONG)])
        await read_events(postgres, TelegramSettings())
        assert (await chats.state(ada.user_id)).waiting == 1
        await end(ada.user_id)
        await said(postgres, run, [(2 * hour + 1, LONG)])
        assert await confirm(chats, await token_for(chats, ada), ada)
        await read_events(postgres, TelegramSettings())
        assert await outbox.next_of(ada.user_id, 5) is None


async def test_a_policy_names_the_users_own_runs_alone(chats, postgres, ada):
    own = await saved_run(postgres, user_id=ada.user_id)
    foreign = await saved_run(postgres)
    policy = NotificationPolicy(runs={own.run_id: RunPolicy(muted=True)})
    await chats.keep_policy(ada.user_id, policy)
    assert (await chats.state(ada.user_id)).policy == await chats.policy(ada.user_id) == policy
    for run_id in (foreign.run_id, uuid4()):
        with pytest.raises(NotFound, match=f"^there is no run {run_id}$"):
            await chats.keep_policy(ada.user_id, NotificationPolicy(runs={run_id: RunPolicy()}))
