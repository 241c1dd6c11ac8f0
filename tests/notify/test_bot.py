"""The bot against a Bot API of this process: what each answer of Telegram's means, and no token in any text."""

from __future__ import annotations

import asyncio
import io
import logging
import socket
import traceback
from collections.abc import AsyncIterator

import pytest

from candleray.logs import configure_logs, mask_credentials
from candleray.notify.bot_api import BotApi, BotTrouble, IncomingMessage, TroubleKind
from tests.support.canaries import watch_logs
from tests.support.telegram.bots import TOKEN, telegram_bot
from tests.support.telegram.fake_bot_api import FakeBotApi, fake_bot_api
from tests.support.telegram.faults import Fault
from tests.support.waiting import eventually

ADA = 4242


@pytest.fixture
async def api() -> AsyncIterator[FakeBotApi]:
    async with fake_bot_api(TOKEN) as api:
        api.open_chat(ADA)
        yield api


@pytest.fixture
async def ours(api: FakeBotApi) -> AsyncIterator[BotApi]:
    async with telegram_bot(api.url) as bot:
        yield bot


async def test_a_message_is_shown_with_its_first_line_in_bold_and_told_again_by_its_number(api, ours):
    text = "Long <at> 5 & more\nhttps://t.me/x"
    number = await ours.send(ADA, text)
    assert [(one.message_id, one.text) for one in api.delivered] == [(number, text)]
    assert await ours.is_shown(ADA, number, text)
    assert not await ours.is_shown(ADA, number + 1, text)


@pytest.mark.parametrize(
    ("fault", "kind", "wait_s"),
    [
        (Fault.TOO_MANY, TroubleKind.TOO_MANY, 1.0),
        (Fault.SERVER_ERROR, TroubleKind.UNCERTAIN, 0.0),
        (Fault.CUT, TroubleKind.UNCERTAIN, 0.0),
        (Fault.BAD_REQUEST, TroubleKind.REFUSED, 0.0),
    ],
)
async def test_each_fault_has_its_meaning(api, ours, fault: Fault, kind: TroubleKind, wait_s: float):
    api.faults.next.append(fault)
    with pytest.raises(BotTrouble) as raised:
        await ours.send(ADA, "x")
    assert (raised.value.kind, raised.value.retry_after_s) == (kind, wait_s)
    assert len(api.delivered) == (fault is Fault.CUT)


async def test_a_person_who_blocks_the_bot_and_a_stranger_are_told_apart(api, ours):
    api.blocked.add(ADA)
    with pytest.raises(BotTrouble) as blocked:
        await ours.send(ADA, "x")
    with pytest.raises(BotTrouble) as stranger:
        await ours.send(ADA + 1, "x")
    assert (blocked.value.kind, stranger.value.kind) == (TroubleKind.BLOCKED, TroubleKind.REFUSED)


async def test_updates_come_until_they_are_confirmed_and_at_once_when_somebody_writes(api, ours):
    first = api.say("/start", ADA)
    again = [await ours.updates(0, 0) for _ in range(2)]
    assert again == [[(first, IncomingMessage(ADA, True, ADA, "/start"))]] * 2
    waiting = asyncio.create_task(ours.updates(first + 1, 10))
    await eventually(lambda: api.is_polled)
    second = api.say("hello", ADA, chat_id=-5, chat_type="group")
    assert await waiting == [(second, IncomingMessage(-5, False, ADA, "hello"))]
    assert api.unconfirmed() == [second]


async def test_a_second_poller_ends_the_first_and_a_webhook_keeps_both_away_until_it_is_forgotten(api, ours):
    waiting = asyncio.create_task(ours.updates(0, 10))
    await eventually(lambda: api.is_polled)
    assert await ours.updates(0, 0) == []
    with pytest.raises(BotTrouble) as ended:
        await waiting
    api.has_webhook = True
    with pytest.raises(BotTrouble) as refused:
        await ours.updates(0, 0)
    assert ended.value.kind is refused.value.kind is TroubleKind.OTHER_POLLER
    await ours.forget_webhook()
    assert await ours.updates(0, 0) == []


async def test_another_bots_token_and_what_is_no_token_are_unknown(api):
    async with telegram_bot(api.url, TOKEN.replace("777", "778")) as other:
        with pytest.raises(BotTrouble) as unknown:
            await other.name()
    with pytest.raises(BotTrouble) as malformed:
        async with telegram_bot(api.url, "no token"):
            pass
    assert unknown.value.kind is malformed.value.kind is TroubleKind.UNKNOWN_TOKEN


async def test_where_nothing_listens_nothing_was_sent_and_no_text_names_the_token():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with telegram_bot(f"http://127.0.0.1:{port}") as away:
        with pytest.raises(BotTrouble) as raised:
            await away.send(ADA, "x")
    assert raised.value.kind is TroubleKind.AWAY
    assert TOKEN not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("colon", [":", "%3A"])
def test_a_token_is_masked_in_any_text(colon: str):
    url = f"https://api.telegram.org/bot{TOKEN.replace(':', colon)}/sendMessage"
    assert mask_credentials(f"cannot write request body for {url}") == (
        "cannot write request body for https://api.telegram.org/bot***/sendMessage"
    )
    assert mask_credentials(f"token={TOKEN}") == "token=***"
    times = "run 12:34:56, 1735689600000:5, 20260105: a-long-name-of-a-strategy-of-somebody"
    assert mask_credentials(times) == times


def test_a_token_is_masked_in_every_line_of_the_log_tracebacks_and_nested_values_included():
    written = io.StringIO()
    try:
        configure_logs("DEBUG", written)
        url = f"https://api.telegram.org/bot{TOKEN}/getMe"
        try:
            raise OSError(f"Can not write request body for {url}")
        except OSError:
            logging.getLogger("candleray.telegram").exception("failed %s", {"urls": [url]})
    finally:
        watch_logs()
    assert written.getvalue().count("bot***") >= 2
    assert TOKEN not in written.getvalue()
