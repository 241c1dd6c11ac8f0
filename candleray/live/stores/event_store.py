"""Events of runs in Postgres: each is written once, and a user's are numbered in the order of the commits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from candleray.databases.postgres import Postgres, Transaction
from candleray.live.events import EventBody, EventKind, StrategyEvent
from candleray.live.records import EventPage


class NewEvent(NamedTuple):
    """An event before it has its number."""

    user_id: UUID
    run_id: UUID
    session: int
    ts_open: datetime
    body: EventBody


async def append(transaction: Transaction, events: Sequence[NewEvent]) -> list[tuple[UUID, StrategyEvent]]:
    """Write events, each with its user's next number; those that are there already are left out.

    From here to the end of the transaction nobody else writes events of these users.
    """
    if not events:
        return []
    await transaction.fetch("lock_event_numbers", [event.user_id for event in events])
    rows = await transaction.fetch(
        "append_strategy_events",
        [event.user_id for event in events],
        [event.run_id for event in events],
        [event.session for event in events],
        [event.ts_open for event in events],
        [event.body.kind for event in events],
        [event.body.model_dump(mode="json") for event in events],
    )
    return [(row["user_id"], _event(row)) for row in rows]


class StrategyEvents:
    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def after(self, user_id: UUID, number: int, limit: int) -> list[StrategyEvent]:
        """The user's first events behind a number."""
        rows = await self._postgres.fetch("strategy_events_after", user_id, number, limit)
        return [_event(row) for row in rows]

    async def last_number(self, user_id: UUID) -> int:
        """The number of the user's last event; 0 before the first."""
        rows = await self._postgres.fetch("last_event_number", user_id)
        return int(rows[0]["last"]) if rows else 0

    async def last_numbers(self, user_ids: Collection[UUID] | None = None) -> dict[UUID, int]:
        """The numbers of the last events of these users, or of all, of those who have any."""
        rows = await self._postgres.fetch("last_event_numbers", None if user_ids is None else list(user_ids))
        return {row["user_id"]: row["last"] for row in rows if row["last"]}

    async def of_run(
        self,
        user_id: UUID,
        run_id: UUID,
        after: int = 0,
        kinds: Sequence[EventKind] | None = None,
        session: int | None = None,
        limit: int = 1000,
    ) -> list[StrategyEvent]:
        """A run's first events behind a number, of these kinds, of this session."""
        rows = await self._postgres.fetch("events_of_run", user_id, run_id, after, kinds, session, limit)
        return [_event(row) for row in rows]

    async def page_of_run(
        self,
        user_id: UUID,
        run_id: UUID,
        kinds: Sequence[EventKind] | None,
        session: int | None,
        after: int,
        limit: int,
    ) -> EventPage:
        """Read the same as a page, with the number behind which there are more."""
        found = await self.of_run(user_id, run_id, after, kinds, session, limit + 1)
        events = tuple(found[:limit])
        return EventPage(events=events, next_after=events[-1].number if len(found) > limit else None)


def _event(row: dict[str, Any]) -> StrategyEvent:
    return StrategyEvent(**{name: row[name] for name in StrategyEvent.model_fields})
