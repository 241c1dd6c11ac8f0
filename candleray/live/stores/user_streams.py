"""The streams of users in Valkey: what their runs say, and how they stand. Nobody needs them: Postgres has it all.

The id of an event's entry is the event's number, so the server itself refuses it twice. An entry that does not
follow the stream's last one is not appended before the stream is completed from Postgres; a reader who sees a jump
reads there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

from candleray.databases.valkey import StreamEntry, Valkey
from candleray.live.events import StrategyEvent
from candleray.live.standing import RunStanding
from candleray.live.stores.event_store import StrategyEvents, WrittenEvent

EVENTS = "strategy.events.v1.user."
STANDINGS = "strategy.metrics.v1.user."
"""The beginnings of the streams' names; the user's id follows."""
FIELD = "event"
"""The field of an entry that has the event."""
KEPT_EVENTS = 1000
KEPT_STANDINGS = 100


def events_stream(user_id: UUID) -> str:
    return f"{EVENTS}{user_id}"


def standings_stream(user_id: UUID) -> str:
    return f"{STANDINGS}{user_id}"


class UserStreams:
    def __init__(self, valkey: Valkey, events: StrategyEvents) -> None:
        self._valkey = valkey
        self._events = events

    async def tell(self, committed: Iterable[WrittenEvent], also: Collection[UUID] = ()) -> None:
        """Append events that were just committed; what the streams of their users lack before them, too.

        Args:
            also: users of whom more may have been committed than these events.
        """
        by_user: dict[UUID, dict[int, str]] = {}
        for event in committed:
            if event.user_id not in also:
                by_user.setdefault(event.user_id, {})[event.number] = event.text
        behind = await self._valkey.append_numbered(
            {events_stream(user_id): events for user_id, events in by_user.items()}, FIELD, KEPT_EVENTS
        )
        await self._complete({*also, *(UUID(stream.removeprefix(EVENTS)) for stream in behind)})

    async def complete(self) -> None:
        """Append to the streams there are what was committed and never told."""
        committed = await self._events.last_numbers()
        last = await self._last_numbers(committed)
        behind = [one for one, number in committed.items() if last[one] is not None and (last[one] or 0) < number]
        await self._complete(behind)

    async def tell_standings(self, standings: Mapping[UUID, Sequence[RunStanding]]) -> None:
        """Append an entry for each user, of all these runs."""
        entries = [
            StreamEntry(standings_stream(user_id), "*", {"standings": _json(of_user)})
            for user_id, of_user in standings.items()
        ]
        if entries:
            await self._valkey.append_capped(entries, KEPT_STANDINGS)

    async def _complete(self, user_ids: Collection[UUID]) -> None:
        """Append from Postgres what these users' streams lack; one that is not there gets the last events."""
        entries: list[StreamEntry] = []
        for user_id, last in (await self._last_numbers(user_ids)).items():
            after = await self._events.last_number(user_id) - KEPT_EVENTS if last is None else last
            while batch := await self._events.after(user_id, max(0, after), KEPT_EVENTS):
                entries += [_entry(user_id, event) for event in batch]
                after = batch[-1].number
        if entries:
            await self._valkey.append_capped(entries, KEPT_EVENTS)

    async def _last_numbers(self, user_ids: Iterable[UUID]) -> dict[UUID, int | None]:
        wanted = list(user_ids)
        if not wanted:
            return {}
        last_ids = await self._valkey.last_ids([events_stream(user_id) for user_id in wanted])
        return {
            user_id: None if last_id is None else int(last_id.partition("-")[0])
            for user_id, last_id in zip(wanted, last_ids, strict=True)
        }


def _entry(user_id: UUID, event: StrategyEvent) -> StreamEntry:
    return StreamEntry(events_stream(user_id), f"{event.number}-0", {FIELD: event.model_dump_json()})


def _json(standings: Sequence[RunStanding]) -> str:
    return f"[{','.join(one.model_dump_json() for one in standings)}]"
