"""The bounds of the outbox: whoever has too much waiting is told the newest, and how many events were left out."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from candleray.databases.postgres import Postgres
from candleray.live.stores.event_store import StrategyEvents
from candleray.notify.event_reader import read_events
from candleray.notify.outbox import Message, Outbox, TellableEvent, fair_share
from candleray.settings import TelegramSettings
from tests.support.telegram.bots import TOKEN
from tests.support.telegram.fake_bot_api import FakeBotApi
from tests.support.telegram.people import Person, forget_chats, linked, say

FIVE = TelegramSettings(max_waiting_per_chat=5)


@pytest.fixture
async def outbox(postgres: Postgres) -> AsyncIterator[Outbox]:
    """An outbox in which nothing waits."""
    await forget_chats(postgres)
    yield Outbox(postgres)
    await forget_chats(postgres)


@pytest.fixture
async def ada(postgres: Postgres, outbox: Outbox) -> Person:
    return await linked(postgres, FakeBotApi(TOKEN))


async def next_of(outbox: Outbox, person: Person, digest_over: int = 100) -> Message:
    message = await outbox.next_of(person.user_id, digest_over)
    assert message is not None
    return message


async def sent(outbox: Outbox, person: Person, digest_over: int = 100) -> Message:
    message = await next_of(outbox, person, digest_over)
    assert await outbox.begin(person.user_id, message, 0)
    await outbox.end(person.user_id, message)
    return message


@pytest.mark.parametrize(
    ("waiting", "most", "share"),
    [
        ([], 10, None),
        ([3, 7], 10, None),
        ([3, 8], 10, 7),
        ([30, 1, 30], 21, 10),
        ([4, 4, 4], 10, 3),
        ([5] * 4, 2, 1),
    ],
)
def test_those_with_the_most_give_way_until_all_together_fit(waiting: list[int], most: int, share: int | None):
    assert fair_share(waiting, most) == share


async def test_no_more_than_the_bound_wait_for_a_chat_and_the_oldest_are_told_as_a_number(postgres, outbox, ada):
    numbers = await say(postgres, ada, range(5))
    await read_events(postgres, FIVE)
    assert (await outbox.figures()).left_out == 0, "as many as may wait are all told"
    numbers += await say(postgres, ada, range(5, 8))
    await read_events(postgres, FIVE)
    figures = await outbox.figures()
    assert (figures.waiting, figures.left_out) == (5, 4)
    message = await sent(outbox, ada)
    assert message.text.splitlines()[0] == f"4 events up to #{numbers[3]} left out"
    assert [(await sent(outbox, ada)).numbers for _ in range(4)] == [(number,) for number in numbers[4:]]
    events = StrategyEvents(postgres)
    kept = await events.of_run(ada.user_id, ada.run.run_id)
    assert {one.number for one in kept} >= set(numbers), "the events themselves are all there"


async def test_what_is_left_out_again_and_again_is_counted_together(postgres, outbox, ada):
    for first in (0, 20, 40):
        numbers = await say(postgres, ada, range(first, first + 20))
        await read_events(postgres, FIVE)
    message = await sent(outbox, ada, digest_over=2)
    assert message.text.splitlines()[:2] == ["5 events", f"56 events up to #{numbers[-5]} left out"]
    assert message.numbers == tuple(numbers[-5:])


async def test_a_message_that_was_made_before_some_were_left_out_is_not_sent(postgres, outbox, ada):
    *_, last = await say(postgres, ada, range(4))
    await read_events(postgres, FIVE)
    single, digest = await next_of(outbox, ada), await next_of(outbox, ada, digest_over=1)
    await say(postgres, ada, range(4, 8))
    await read_events(postgres, FIVE)
    for message in (single, single._replace(numbers=(last,)), digest):
        assert not await outbox.begin(ada.user_id, message, 0)
    assert (await sent(outbox, ada)).left_out == 4, "none of it counts as sent"


async def test_what_is_being_sent_is_not_left_out(postgres, outbox, ada):
    first, *_ = await say(postgres, ada, range(3))
    await read_events(postgres, FIVE)
    message = await next_of(outbox, ada)
    assert await outbox.begin(ada.user_id, message, 7)
    await say(postgres, ada, range(3, 20))
    await read_events(postgres, FIVE)
    assert await next_of(outbox, ada) == message._replace(after_message_id=7)
    assert message.numbers == (first,)


async def test_a_number_of_which_no_answer_came_is_sent_again_as_it_was(postgres, outbox, ada):
    await say(postgres, ada, range(9))
    await read_events(postgres, FIVE)
    message = await next_of(outbox, ada)
    assert await outbox.begin(ada.user_id, message, 7)
    again = await next_of(outbox, ada)
    assert (again.text, again.left_out) == (message.text, 5)
    await outbox.wait_again(ada.user_id, again)
    assert await outbox.begin(ada.user_id, again, 8)


async def test_all_chats_together_have_a_bound_and_a_busy_one_takes_no_other_one_s_place(postgres, outbox, ada):
    eve = await linked(postgres, FakeBotApi(TOKEN))
    await say(postgres, ada, range(30))
    await say(postgres, eve, range(3))
    await read_events(postgres, TelegramSettings(max_waiting=10))
    figures = await outbox.figures()
    assert (figures.waiting, figures.left_out) == (10, 24)
    assert (await sent(outbox, eve)).left_out == 0
    assert (await sent(outbox, ada)).left_out == 24


async def test_what_another_process_has_decided_stays_as_it_is(postgres, outbox, ada):
    await say(postgres, ada, [0])
    [(_, before)] = [one for one in await outbox.behind() if one[0] == ada.user_id]
    await read_events(postgres, FIVE)
    told = [TellableEvent(before + 1, "again", "again")]
    await outbox.add(ada.user_id, before, before + 1, told, 5)
    message = await sent(outbox, ada)
    await outbox.add(ada.user_id, before, before + 1, told, 5)
    assert message.text.startswith("Signal LONG")
    assert await outbox.next_of(ada.user_id, 5) is None
