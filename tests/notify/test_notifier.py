"""The notifier against a Bot API of this process: what is sent to whom, whatever Telegram answers."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from candleray.databases.lazy_service import LazyService
from candleray.databases.postgres import Postgres
from candleray.databases.valkey import Valkey
from candleray.errors import ServiceUnavailable
from candleray.live.run import RunState
from candleray.live.standing import RunStanding
from candleray.live.stores.event_store import StrategyEvents
from candleray.live.stores.standings import standings_of
from candleray.live.stores.store import Runs
from candleray.live.stores.user_streams import UserStreams
from candleray.logs import configure_logs
from candleray.notify import bot_commands
from candleray.notify.bot_api import MOST_CHARACTERS, IncomingMessage, length_of
from candleray.notify.bot_commands import LINKED, NOT_LINKED, NOT_VALID, BotCommands, StandingsOf
from candleray.notify.bot_store import BotStates
from candleray.notify.chat_store import TelegramChats
from candleray.notify.event_log import EventLog
from candleray.notify.notifier import LEASE, UNKNOWN_TOKEN, Notifier, NotifierState
from candleray.notify.outbox import Outbox
from candleray.notify.policies import NotificationPolicy, QuietHours
from candleray.notify.poller import OTHER_POLLER
from candleray.settings import TelegramSettings
from candleray.strategies.saving import name_of
from tests.support.canaries import watch_logs
from tests.support.instances.ports import free_port
from tests.support.live.saved_runs import saved_run, spec_with
from tests.support.telegram.bots import TOKEN, open_bot
from tests.support.telegram.fake_bot_api import FakeBotApi, fake_bot_api
from tests.support.telegram.faults import Fault
from tests.support.telegram.people import (
    Person,
    forget_chats,
    link_token,
    linked,
    nobody_stands,
    numbers_in,
    say,
    somebody,
)
from tests.support.waiting import eventually

FAST = TelegramSettings(look_s=0.05, poll_s=1, chat_pause_s=0.01, max_messages_per_s=30, longest_retry_s=0.2)


@pytest.fixture
async def api(postgres: Postgres) -> AsyncIterator[FakeBotApi]:
    await forget_chats(postgres)
    async with fake_bot_api(TOKEN) as api:
        yield api


@asynccontextmanager
async def notifying(
    postgres: Postgres,
    api: FakeBotApi,
    token: str = TOKEN,
    states: list[NotifierState] | None = None,
    standings: StandingsOf = nobody_stands,
    **changes: Any,
) -> AsyncIterator[None]:
    """A notifier at work within the block."""
    settings = FAST.model_copy(update=changes)
    observe = (lambda state: None) if states is None else states.append
    notifier = Notifier(settings, postgres, lambda: open_bot(api.url, token), standings, observe)
    task = asyncio.create_task(notifier.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def told(api: FakeBotApi, person: Person, numbers: list[int]) -> list[str]:
    """Wait until exactly these events were told to the person; the texts."""

    def texts() -> list[str]:
        return api.texts(person.chat_id)

    await eventually(lambda: set(numbers_in(texts())) >= set(numbers))
    assert sorted(numbers_in(texts())) == numbers
    return texts()


async def answer(api: FakeBotApi, person: Person, text: str, **where: Any) -> str:
    """The bot's answer to what the person writes."""
    before = len(api.texts(person.chat_id))
    api.say(text, person.telegram_user_id, **where)
    await eventually(lambda: len(api.texts(person.chat_id)) > before)
    return api.texts(person.chat_id)[before]


async def confirmed(api: FakeBotApi) -> None:
    """Wait until the bot has taken everything that was written."""
    await eventually(lambda: not api.unconfirmed())


async def test_a_person_links_the_chat_and_is_told_what_the_run_does_from_then_on(postgres, api):
    ada, eve = await somebody(postgres), await somebody(postgres)
    before = await say(postgres, ada, [0])
    token = await link_token(postgres, ada)
    api.has_webhook = True
    async with notifying(postgres, api):
        assert await answer(api, eve, f"/start {token}") == NOT_VALID
        api.say(f"/start {token}", ada.telegram_user_id, chat_id=-77, chat_type="group")
        await confirmed(api)
        assert await answer(api, ada, "/status") == NOT_LINKED
        assert await answer(api, ada, f"/start {token}") == LINKED
        assert await answer(api, ada, f"/start {token}") == LINKED
        numbers = await say(postgres, ada, [1, 2])
        (message, _) = (await told(api, ada, numbers))[-2:]
    assert message.splitlines()[0] == "Signal LONG at 100.5 · BTCUSDT 1h"
    assert message.splitlines()[-1] == f"#{numbers[0]}"
    assert before[0] not in numbers_in(api.texts(ada.chat_id))
    assert {one.chat_id for one in api.delivered} == {ada.chat_id, eve.chat_id}, "a group is never answered"
    assert api.texts(eve.chat_id) == [NOT_VALID]


async def test_commands_are_about_ones_own_runs_alone(postgres, api):
    ada, eve = await linked(postgres, api), await linked(postgres, api)
    theirs, own = str(eve.run.run_id), str(ada.run.run_id)
    async with notifying(postgres, api):
        assert (await answer(api, ada, "/runs@candleray_test_bot")).splitlines() == ["Active runs", listed(ada)]
        assert await answer(api, ada, f"/stop {theirs}") == f"None of your runs begins with {theirs}."
        for reference in ("' OR", "", own[:3]):
            assert "four characters" in await answer(api, ada, f"/stop {reference}")
        assert await answer(api, ada, f"/stop {own[:8].upper()}") == f"Run {own[:8]} is stopping."
        assert "a run that is stopping does not take stop" in await answer(api, ada, f"/stop {own[:8]}")
        assert (await answer(api, ada, "hello")).startswith("Commands\n/status")
    runs_store = Runs(postgres)
    assert (await runs_store.get(eve.user_id, eve.run.run_id)).state is RunState.STARTING
    stopped = await runs_store.get(ada.user_id, ada.run.run_id)
    assert (stopped.state, stopped.events[-1].cause) == (RunState.STOPPING, "asked for by Telegram")


def listed(person: Person) -> str:
    return f"{str(person.run.run_id)[:8]} starting: BTCUSDT 1h {name_of(person.run.spec)}"


async def test_the_status_tells_how_the_own_runs_stand_and_what_waits(postgres, api, valkey_url):
    ada, eve = await linked(postgres, api), await linked(postgres, api)
    valkey = LazyService(Valkey.open, SecretStr(valkey_url), "redis_url")
    streams = UserStreams(await valkey.get(), StrategyEvents(postgres))
    everything = dict(zip((ada, eve), (STANDING, STANDING.model_copy(update={"signal": "none"})), strict=True))
    async with notifying(postgres, api, standings=partial(standings_of, valkey.get)):
        assert (await answer(api, ada, "/status")).splitlines() == [
            "Runs: 1 starting",
            listed(ada),
            "  how it stands is not known at the moment",
            "messages are on",
        ]
        await streams.tell_standings(
            {
                person.user_id: [one.model_copy(update={"run_id": person.run.run_id})]
                for person, one in everything.items()
            }
        )
        await answer(api, ada, "/mute 8h")
        assert (await answer(api, ada, "/status")).splitlines()[2:4] == [
            "  SHORT 0.5 at 93,821.881, signal short, return -1.24 %, lag 75 s",
            "  waits for minutes that have not come",
        ]
        assert (await answer(api, ada, "/status")).splitlines()[4].startswith("messages are muted until 20")
    await valkey.close()


STANDING = RunStanding(
    run_id=UUID(int=0),
    session=1,
    lag_s=75.0,
    signal="short",
    side="short",
    quantity=0.5,
    entry_price=93_821.881,
    equity_quote=9_876.0,
    return_pct=-1.24,
    waits_for="minutes that have not come",
)


async def test_more_runs_than_a_page_holds_are_told_page_by_page(postgres, api, monkeypatch):
    monkeypatch.setattr(bot_commands, "PAGE_RUNS", {"status": 1, "runs": 2})
    ada = await linked(postgres, api)
    others = [
        await saved_run(
            postgres, spec_with(indicators=[{"id": "ema", "params": {"window": window}}]), user_id=ada.user_id
        )
        for window in (10, 20)
    ]
    newest_first = [str(one.run_id)[:8] for one in (*reversed(others), ada.run)]
    async with notifying(postgres, api):
        pages = [(await answer(api, ada, f"/runs{page}")).splitlines() for page in ("", " 2", " 3")]
        statuses = [(await answer(api, ada, f"/status {page}")).splitlines() for page in (1, 2, 3, 4)]
        wrong = [
            await answer(api, ada, f"/{command} {page}") for command in ("status", "runs") for page in ("0", "x")
        ]
    assert [line.split()[0] for page in pages[:2] for line in page[1:]] == [
        *newest_first[:2],
        "/runs",
        newest_first[2],
    ]
    assert pages[0][-1] == "/runs 2 shows more"
    assert pages[2] == ["Active runs", "There is no page 3: /runs shows the first."]
    assert [page[1].split()[0] for page in statuses[:3]] == newest_first
    assert [page[3] for page in statuses[:3]] == [
        "/status 2 shows more",
        "/status 3 shows more",
        "messages are on",
    ]
    assert statuses[3][1] == "There is no page 4: /status shows the first."
    assert wrong[0] == "Write /status, or /status 2 for the second page; '0' is none."
    assert all(one.startswith("Write /") for one in wrong)


async def test_of_runs_that_begin_alike_none_is_stopped(postgres, monkeypatch):
    monkeypatch.setattr(bot_commands, "_SHORTEST", 1)
    ada = await somebody(postgres)
    runs = [ada.run]
    while len({str(one.run_id)[0] for one in runs}) == len(runs):  # at the latest with the seventeenth
        spec = spec_with(indicators=[{"id": "ema", "params": {"window": 10 + len(runs)}}])
        runs.append(await saved_run(postgres, spec, user_id=ada.user_id))
    twice = str(runs[-1].run_id)[0]
    commands = BotCommands(postgres, nobody_stands)
    assert await commands.stop(ada.user_id, twice) == f"More than one of your runs begins with {twice}."


@pytest.mark.parametrize(("is_private", "chat_id"), [(False, 7), (True, 8), (True, -7)])
async def test_only_a_private_chat_with_its_own_person_is_answered(postgres, is_private: bool, chat_id: int):
    commands = BotCommands(postgres, nobody_stands)
    assert await commands.answer(IncomingMessage(chat_id, is_private, 7, "/status")) is None


async def test_what_could_not_be_answered_is_answered_later_and_a_mistake_of_ours_stops_nothing(
    postgres, api, monkeypatch
):
    answer_of, troubles = BotCommands.answer, [ServiceUnavailable("Postgres is away"), ValueError("a mistake")]

    async def failing(self, message):
        if troubles:
            raise troubles.pop(0)
        return await answer_of(self, message)

    ada = await linked(postgres, api)
    monkeypatch.setattr(BotCommands, "answer", failing)
    api.say("/mute off", ada.telegram_user_id)
    api.say("/mute 1h", ada.telegram_user_id)
    async with notifying(postgres, api):
        await confirmed(api)
        await eventually(lambda: api.texts(ada.chat_id))
    assert troubles == []
    assert [text.split()[0] for text in api.texts(ada.chat_id)] == ["Muted"], "the first one met the mistake"


async def test_a_stranger_who_writes_fast_is_answered_now_and_then(postgres, api):
    eve = await somebody(postgres)
    async with notifying(postgres, api, chat_pause_s=60.0):
        await answer(api, eve, "/status")
        for _ in range(5):
            api.say("/status", eve.telegram_user_id)
        await confirmed(api)
    assert api.texts(eve.chat_id) == [NOT_LINKED]


async def test_a_notifier_whose_lease_is_lost_begins_again(postgres, api, monkeypatch):
    monkeypatch.setattr("candleray.notify.notifier._LEASE_S", 0.05)
    async with notifying(postgres, api):
        await eventually(lambda: "getUpdates" in api.asked)
        async with postgres.connection() as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = $1", LEASE
            )
        await eventually(lambda: api.asked.count("getMe") > 1)


async def test_muted_by_a_command_nothing_is_told_until_it_is_over(postgres, api):
    ada = await linked(postgres, api)
    async with notifying(postgres, api):
        assert (await answer(api, ada, "/mute 8h")).startswith("Muted until ")
        assert "none of them" in await answer(api, ada, "/mute never")
        await say(postgres, ada, [0])
        await eventually(lambda: Outbox(postgres).behind(), lambda behind: not behind)
        assert await answer(api, ada, "/mute off") == "Messages are on again."
        numbers = await say(postgres, ada, [1])
        await told(api, ada, numbers)


async def test_many_that_wait_come_as_digests_that_telegram_takes(postgres, api):
    ada = await linked(postgres, api)
    numbers = await say(postgres, ada, range(120))
    async with notifying(postgres, api):
        texts = await told(api, ada, numbers)
    assert len(texts) == 3
    assert all(length_of(text) <= MOST_CHARACTERS for text in texts)


async def test_in_quiet_hours_nothing_comes_and_at_their_end_all_of_it(postgres, api):
    ada, chats = await linked(postgres, api), TelegramChats(postgres)
    now = datetime.now(UTC)
    all_day = QuietHours(start=f"{now - timedelta(hours=1):%H:%M}", end=f"{now + timedelta(hours=1):%H:%M}")
    await chats.keep_policy(ada.user_id, NotificationPolicy(quiet_hours=all_day))
    async with notifying(postgres, api):
        numbers = await say(postgres, ada, [0, 1])
        await eventually(lambda: chats.state(ada.user_id), lambda state: state.waiting == 2)
        assert api.texts(ada.chat_id) == []
        await chats.keep_policy(ada.user_id, NotificationPolicy())
        await told(api, ada, numbers)


@pytest.mark.parametrize("fault", [Fault.TOO_MANY, Fault.SERVER_ERROR, Fault.CUT_BEFORE, Fault.CUT])
async def test_whatever_telegram_answers_each_event_is_told_once(postgres, api, fault: Fault):
    ada = await linked(postgres, api)
    api.faults.next.extend([fault, None, fault, fault])
    numbers, began_s = await say(postgres, ada, [0, 1, 2]), time.monotonic()
    async with notifying(postgres, api):
        await told(api, ada, numbers)
        assert fault is not Fault.TOO_MANY or time.monotonic() - began_s > 3 * api.faults.retry_after_s
        await eventually(lambda: TelegramChats(postgres).state(ada.user_id), lambda state: not state.waiting)
    assert numbers_in(api.texts(ada.chat_id)) == numbers, "in their order, none twice"
    assert api.faults.drawn[fault] == (2 if fault is Fault.CUT else 3), "what was accepted is not sent again"


async def test_a_message_that_is_refused_is_sent_plain_and_then_dropped(postgres, api):
    ada = await linked(postgres, api)
    api.faults.next.extend([Fault.BAD_REQUEST, None, Fault.BAD_REQUEST, Fault.BAD_REQUEST])
    numbers = await say(postgres, ada, [0, 1, 2])
    async with notifying(postgres, api):
        await told(api, ada, [numbers[0], numbers[2]])


async def test_a_chat_that_blocks_the_bot_is_off_and_what_waits_for_it_is_gone(postgres, api):
    ada, eve = await linked(postgres, api), await linked(postgres, api)
    api.blocked.add(ada.chat_id)
    await say(postgres, ada, [0, 1])
    numbers = await say(postgres, eve, [0])
    async with notifying(postgres, api):
        await told(api, eve, numbers)
        state = await eventually(lambda: TelegramChats(postgres).state(ada.user_id), lambda state: state.off_since)
    assert state.waiting == 0
    assert api.texts(ada.chat_id) == []


async def test_another_poller_is_seen_by_who_operates_and_messages_go_out_all_the_same(postgres, api):
    ada = await linked(postgres, api)
    async with notifying(postgres, api):
        await eventually(lambda: "getUpdates" in api.asked)
        api.has_webhook = True  # polling is refused in the same words, for good
        notice = await eventually(lambda: _notice_with_conflict(postgres))
        numbers = await say(postgres, ada, [0])
        await told(api, ada, numbers)
    assert OTHER_POLLER in notice


async def _notice_with_conflict(postgres: Postgres) -> str:
    notice = await BotStates(postgres).notice()
    return notice if notice and OTHER_POLLER in notice else ""


async def test_a_token_that_telegram_does_not_know_is_told(postgres, api):
    async with notifying(postgres, api, token=TOKEN.replace("777", "778")):
        notice = await eventually(
            lambda: BotStates(postgres).notice(), lambda notice: notice and "token" in notice
        )
    assert UNKNOWN_TOKEN in notice
    assert "sendMessage" not in api.asked


async def test_a_telegram_that_was_never_reached_is_told(postgres, api):
    nobody = FakeBotApi(TOKEN, port=free_port())
    async with notifying(postgres, nobody):
        notice = await eventually(
            lambda: BotStates(postgres).notice(), lambda notice: notice and "not reached" in notice
        )
    assert notice.startswith("Telegram: Telegram is not reached: ")


async def test_of_two_notifiers_one_is_at_work_and_the_other_takes_over(postgres, api):
    ada = await linked(postgres, api)
    async with notifying(postgres, api):
        await eventually(lambda: "getUpdates" in api.asked)
        async with notifying(postgres, api):
            await told(api, ada, numbers := await say(postgres, ada, [0]))
            await asyncio.sleep(0.5)
            assert api.asked.count("getMe") == 1
    async with notifying(postgres, api):
        await told(api, ada, numbers + await say(postgres, ada, [1]))
    assert api.asked.count("getMe") == 2


async def test_without_a_bot_what_would_be_told_is_logged(postgres, capfd):
    configure_logs("INFO")
    try:
        ada = await somebody(postgres)
        await BotStates(postgres).tell("a_former_bot", None)
        event_log = EventLog(postgres)
        await event_log.begin()
        (number,) = await say(postgres, ada, [0])
        await event_log.look()
        await event_log.look()
        await TelegramChats(postgres).keep_policy(ada.user_id, NotificationPolicy(muted=True))
        await say(postgres, ada, [1])
        await event_log.look()
    finally:
        watch_logs()
    logged = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    assert [line["event"] for line in logged] == ["telegram_is_off", "run_said"]
    assert logged[1]["text"].startswith(f"#{number} ")
    assert not (await TelegramChats(postgres).state(ada.user_id)).bot
