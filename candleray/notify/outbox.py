"""The outbox in Postgres: what is to be sent to whom, kept until it was sent, whoever is killed meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from candleray.databases.postgres import Postgres
from candleray.live.events import StrategyEvent
from candleray.notify.policies import NotificationPolicy, policy_of
from candleray.notify.texts import RunFacts, digest_of, line_of, message_of

_MOST_LOOKED_AT = 300
"""Messages of a chat that are looked at together: more than a digest holds."""


class Recipient(NamedTuple):
    user_id: UUID
    chat_id: int
    policy: NotificationPolicy


class Message(NamedTuple):
    """A text, and the numbers of the events that it tells."""

    text: str
    numbers: tuple[int, ...]
    after_message_id: int | None = None
    """The highest number of a message that was known before this one was sent, where it may have been already."""


class Waiting(NamedTuple):
    """An event in the outbox."""

    number: int
    state: str
    text: str
    line: str
    message: str | None
    after_message_id: int | None


class TellableEvent(NamedTuple):
    number: int
    text: str
    line: str


def next_message(waiting: Sequence[Waiting], digest_over: int) -> Message | None:
    """The message to send next: one that may have been sent already, else the oldest event, or a digest."""
    if not waiting:
        return None
    first = waiting[0]
    if first.message is not None:
        numbers = tuple(one.number for one in waiting if one.message == first.message)
        return Message(first.message, numbers, first.after_message_id)
    if len(waiting) <= digest_over:
        return Message(first.text, (first.number,))
    text, taken = digest_of([one.line for one in waiting])
    return Message(text, tuple(one.number for one in waiting[:taken]))


class Outbox:
    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def behind(self) -> list[tuple[UUID, int]]:
        """Users with a chat who have events of which nothing is decided yet, and the last number that was."""
        rows = await self._postgres.fetch("telegram_chats_behind")
        return [(row["user_id"], row["read_until"]) for row in rows]

    async def add(self, user_id: UUID, after: int, until: int, events: Sequence[TellableEvent]) -> None:
        """Put events between two numbers into the outbox; what another process has put there stays as it is."""
        async with self._postgres.transaction() as transaction:
            if not await transaction.fetch("advance_telegram_chat", user_id, after, until):
                return  # unlinked meanwhile, or another process was quicker
            numbers, texts, lines = (
                (list(column) for column in zip(*events, strict=True)) if events else ([], [], [])
            )
            await transaction.fetch("add_to_outbox", user_id, numbers, texts, lines)

    async def facts(self, events: Sequence[StrategyEvent]) -> dict[UUID, RunFacts]:
        rows = await self._postgres.fetch("facts_of_runs", list({event.run_id for event in events}))
        return {row["run_id"]: RunFacts(**row) for row in rows}

    async def recipients(self) -> list[Recipient]:
        """Everybody for whom there is something."""
        rows = await self._postgres.fetch("chats_with_messages")
        return [Recipient(row["user_id"], row["chat_id"], policy_of(row["policy"])) for row in rows]

    async def next_of(self, user_id: UUID, digest_over: int) -> Message | None:
        rows = await self._postgres.fetch("outbox_of_user", user_id, _MOST_LOOKED_AT)
        return next_message([Waiting(**row) for row in rows], digest_over)

    async def begin(self, user_id: UUID, message: Message, after_message_id: int) -> bool:
        """Note that a message is about to be sent; False where it is no longer to be."""
        given = (user_id, list(message.numbers), message.text, after_message_id)
        begun = await self._postgres.fetch("begin_message", *given)
        return len(begun) == len(message.numbers)

    async def wait_again(self, user_id: UUID, message: Message) -> None:
        """Note that a message was certainly not sent."""
        await self._postgres.fetch("message_waits_again", user_id, list(message.numbers))

    async def end(self, user_id: UUID, message: Message, message_id: int = 0) -> None:
        """Note that a message was sent, by its number, or never will be."""
        async with self._postgres.transaction() as transaction:
            await transaction.fetch("end_message", user_id, list(message.numbers))
            await transaction.fetch("note_message_id", user_id, message_id)

    async def newest_message_id(self) -> int:
        row = await self._postgres.fetch_one("newest_message_id")
        return int(row["newest"]) if row else 0

    async def waiting(self) -> tuple[int, float]:
        """The number of events that wait, and the seconds for which the oldest does."""
        row = await self._postgres.fetch_one("count_outbox")
        return (row["waiting"], row["oldest_s"]) if row else (0, 0.0)


def tellable(event: StrategyEvent, facts: RunFacts) -> TellableEvent:
    return TellableEvent(event.number, message_of(event, facts), line_of(event, facts))
