"""The outbox in Postgres: what is to be sent to whom, kept until it was sent, whoever is killed meanwhile."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

from candleray.databases.postgres import Postgres
from candleray.live.events import StrategyEvent
from candleray.notify.policies import NotificationPolicy, policy_of
from candleray.notify.texts import RunFacts, digest_of, left_out_line, left_out_message, line_of, message_of

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
    left_out: int = 0
    """Events in whose place it stands."""


class Waiting(NamedTuple):
    """An event in the outbox."""

    number: int
    state: str
    text: str
    line: str
    message: str | None
    after_message_id: int | None
    left_out: int = 0
    """Events up to this one that are not told, because too many waited; it stands for them all."""

    def told(self) -> str:
        return left_out_message(self.left_out, self.number) if self.left_out else self.text

    def told_in_line(self) -> str:
        return left_out_line(self.left_out, self.number) if self.left_out else self.line


class OutboxFigures(NamedTuple):
    """Everything that waits, by numbers."""

    waiting: int
    oldest_s: float
    """The seconds for which the oldest does."""
    left_out: int
    """Events that are not told, but for their number."""


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
        begun = [one for one in waiting if one.message == first.message]
        return _message(first.message, begun, first.after_message_id)
    if len(waiting) <= digest_over:
        return _message(first.told(), [first])
    text, taken = digest_of([one.told_in_line() for one in waiting])
    return _message(text, waiting[:taken])


def _message(text: str, told: Sequence[Waiting], after_message_id: int | None = None) -> Message:
    numbers = tuple(one.number for one in told)
    return Message(text, numbers, after_message_id, sum(one.left_out for one in told))


def fair_share(waiting: Collection[int], most: int) -> int | None:
    """The number that each chat may keep so that all together have at most so many; None where they have."""
    left = most
    for place, count in enumerate(sorted(waiting)):
        share = left // (len(waiting) - place)
        if count > share:
            return max(share, 1)
        left -= count
    return None


class Outbox:
    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def behind(self) -> list[tuple[UUID, int]]:
        """Users with a chat who have events of which nothing is decided yet, and the last number that was."""
        rows = await self._postgres.fetch("telegram_chats_behind")
        return [(row["user_id"], row["read_until"]) for row in rows]

    async def add(self, user_id: UUID, after: int, until: int, events: Sequence[TellableEvent], most: int) -> None:
        """Put events between two numbers into the outbox; what another process has put there stays as it is.

        Args:
            most: events of a chat that may wait; the oldest of more are left out, and their number is told.
        """
        async with self._postgres.transaction() as transaction:
            if not await transaction.fetch("advance_telegram_chat", user_id, after, until):
                return  # unlinked meanwhile, or another process was quicker
            numbers, texts, lines = (
                (list(column) for column in zip(*events, strict=True)) if events else ([], [], [])
            )
            await transaction.fetch("add_to_outbox", user_id, numbers, texts, lines)
            await transaction.fetch("leave_out_of_outbox", user_id, most)

    async def keep_within(self, most: int) -> None:
        """Have at most so many events wait in all: the chats with the most of them keep the newest."""
        waiting = {row["user_id"]: row["waiting"] for row in await self._postgres.fetch("waiting_by_user")}
        share = fair_share(waiting.values(), most)
        for user_id, count in waiting.items():
            if share is not None and count > share:
                await self._postgres.fetch("leave_out_of_outbox", user_id, share)

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
        given = (user_id, list(message.numbers), message.text, after_message_id, message.left_out)
        return bool(await self._postgres.fetch("begin_message", *given))

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

    async def figures(self) -> OutboxFigures:
        row = await self._postgres.fetch_one("count_outbox")
        assert row is not None
        return OutboxFigures(**row)


def tellable(event: StrategyEvent, facts: RunFacts) -> TellableEvent:
    return TellableEvent(event.number, message_of(event, facts), line_of(event, facts))
