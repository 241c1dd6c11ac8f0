"""Watchers of users' events: however many watch, a replica asks Valkey and Postgres once.

Valkey only wakes: what is told is read from Postgres by its number. So a stream that was emptied, lacks entries or
is away costs a second, and nothing is told twice or left out.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import Context
from typing import Any
from uuid import UUID

from candleray.databases.postgres import Postgres
from candleray.databases.stream_reader import entries_after
from candleray.databases.valkey import StreamEntry, Valkey
from candleray.errors import CandlerayError
from candleray.live.stores.event_store import StrategyEvents
from candleray.live.stores.standings import ASK_EVERY_S, ask_for, recent
from candleray.live.stores.user_streams import events_stream, standings_stream

ASK_S = 1.0
"""Between two questions to Postgres; what the runs' processes tell comes at once, by Valkey."""
_WAIT_S = 0.5
"""A user who begins to watch is asked for by the next question to Valkey."""
_MOST = 100


class EventWatch:
    def __init__(
        self, postgres: Callable[[], Awaitable[Postgres]], valkey: Callable[[], Awaitable[Valkey]]
    ) -> None:
        self._postgres = postgres
        self._valkey = valkey
        self._watched: dict[UUID, Watched] = {}
        self._asking: list[asyncio.Task[None]] = []
        self._asked_s: dict[UUID, float] = {}
        """Users of whom standings were asked for, with the moment by our counter."""

    @contextmanager
    def watching(self, user_id: UUID, number: int) -> Iterator[Watched]:
        """Look after a user's events behind a number until the block ends."""
        watched = self._watched.setdefault(user_id, Watched(number))
        watched.watchers += 1
        if not self._asking:
            # In a context of its own: what it borrows counts to no user's share.
            for ask in (self._ask_valkey, self._ask_postgres):
                self._asking.append(asyncio.get_running_loop().create_task(ask(), context=Context()))
        try:
            yield watched
        finally:
            watched.watchers -= 1
            if not watched.watchers:
                del self._watched[user_id]
            if not self._watched:
                while self._asking:
                    self._asking.pop().cancel()

    async def _ask_postgres(self) -> None:
        while True:
            await _unless_away(self._look_at_numbers())
            await asyncio.sleep(ASK_S)

    async def _look_at_numbers(self) -> None:
        numbers = await StrategyEvents(await self._postgres()).last_numbers(list(self._watched))
        for user_id, number in numbers.items():
            if watched := self._watched.get(user_id):
                watched.committed(number)

    async def _ask_valkey(self) -> None:
        while True:
            if not await _unless_away(self._look_at_streams()):
                await asyncio.sleep(ASK_S)

    async def _look_at_streams(self) -> None:
        await self._ask_for_standings()
        events = {events_stream(user_id): one for user_id, one in self._watched.items()}
        standings = {standings_stream(user_id): one for user_id, one in self._watched.items()}
        after = {name: one.last_event for name, one in events.items()}
        after |= {name: one.last_standings for name, one in standings.items()}
        for entry in await entries_after(await self._valkey(), after, _MOST, _WAIT_S):
            if watched := events.get(entry.stream):
                watched.told(entry)
            else:
                standings[entry.stream].stand(entry)

    async def _ask_for_standings(self) -> None:
        now_s = time.monotonic()
        due = [one for one in self._watched if now_s - self._asked_s.get(one, -ASK_EVERY_S) >= ASK_EVERY_S]
        if due:
            await ask_for(await self._valkey(), due)
            asked_s = {**self._asked_s, **dict.fromkeys(due, now_s)}
            self._asked_s = {one: at_s for one, at_s in asked_s.items() if one in self._watched}


class Watched:
    """A user whose events are watched, by so many."""

    def __init__(self, number: int) -> None:
        self.watchers = 0
        self.changes = 0
        """Counts whatever may be new."""
        self.last_event = f"{number}-0"
        self.last_standings = recent()
        self.standings: deque[StreamEntry] = deque(maxlen=32)
        self._committed = -1
        self._next = asyncio.Event()

    def committed(self, number: int) -> None:
        if number != self._committed:
            self._committed = number
            self._tell()

    def told(self, entry: StreamEntry) -> None:
        self.last_event = entry.entry_id
        self._tell()

    def stand(self, entry: StreamEntry) -> None:
        self.last_standings = entry.entry_id
        self.standings.append(entry)
        self._tell()

    def standings_after(self, entry_id: str) -> list[StreamEntry]:
        return [one for one in self.standings if _place(one.entry_id) > _place(entry_id)]

    async def change(self, seen: int, within_s: float) -> int:
        """Wait until there are other changes than were seen, or for so long; return how many there are."""
        if self.changes == seen:
            try:
                async with asyncio.timeout(within_s):
                    await self._next.wait()
            except TimeoutError:
                pass
        return self.changes

    def _tell(self) -> None:
        self.changes += 1
        told, self._next = self._next, asyncio.Event()
        told.set()


def _place(entry_id: str) -> tuple[int, int]:
    milliseconds, _, count = entry_id.partition("-")
    return int(milliseconds), int(count or 0)


async def _unless_away(looking: Coroutine[Any, Any, None]) -> bool:
    """Tells whether it could be looked at; where it could not, another look follows."""
    try:
        await looking
    except CandlerayError:
        return False
    return True
