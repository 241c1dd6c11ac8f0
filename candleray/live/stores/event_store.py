"""Events of runs in Postgres: each is written once, and a user's are numbered in the order of the commits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from functools import lru_cache
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


class WrittenEvent(NamedTuple):
    """An event that has its number, as JSON of a `StrategyEvent`: nothing else of it is told."""

    user_id: UUID
    number: int
    text: str


async def append(transaction: Transaction, events: Sequence[NewEvent]) -> list[WrittenEvent]:
    """Write events, each with its user's next number; those that are there already are left out.

    From here to the end of the transaction nobody else writes events of these users. Who writes more in it has
    locked the numbers of all users first, so that two writers never wait for each other.
    """
    if not events:
        return []
    bodies = [event.body.model_dump_json() for event in events]
    row = await transaction.fetch_one(
        "append_strategy_events",
        [event.user_id for event in events],
        [event.run_id for event in events],
        [event.session for event in events],
        [event.ts_open for event in events],
        [event.body.kind for event in events],
        bodies,
    )
    assert row is not None
    written = zip(row["places"] or (), row["numbers"] or (), strict=True)
    at = "" if row["at"] is None else _text_of(row["at"])
    return [_written(events[place - 1], number, bodies[place - 1], at) for place, number in written]


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


def _written(event: NewEvent, number: int, body: str, at: str) -> WrittenEvent:
    # A minute of 5,000 runs has some 2,600 events: as models they took longer to tell than the runs to step.
    text = (
        f'{{"number":{number},"run_id":"{event.run_id}","session":{event.session},'
        f'"ts_open":"{_text_of(event.ts_open)}","at":"{at}","body":{body}}}'
    )
    return WrittenEvent(event.user_id, number, text)


@lru_cache(maxsize=64)
def _text_of(moment: datetime) -> str:
    """The moment as a model of it has it as JSON."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _event(row: dict[str, Any]) -> StrategyEvent:
    return StrategyEvent(**{name: row[name] for name in StrategyEvent.model_fields})
