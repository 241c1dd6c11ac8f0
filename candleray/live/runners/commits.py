"""Writes of a shard: events, moves of runs and checkpoints in one transaction; then users' streams are told."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from candleray.databases.postgres import Transaction
from candleray.errors import CandlerayError, Conflict, NotFound, in_words
from candleray.feeds.lags import Lags
from candleray.live.run import RunAction
from candleray.live.stores.event_store import NewEvent, WrittenEvent, append
from candleray.live.stores.shard_store import ShardStore, move_checkpoints
from candleray.live.stores.store import move
from candleray.live.stores.user_streams import UserStreams
from candleray.logs import get_logger
from candleray.markets import Instrument

log = get_logger("runners")


class Move(NamedTuple):
    user_id: UUID
    run_id: UUID
    action: RunAction
    cause: str


@dataclass
class Batch:
    """Things that are written together."""

    events: list[NewEvent] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    taken_ms: dict[Instrument, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.events or self.moves or self.taken_ms)

    @property
    def user_ids(self) -> set[UUID]:
        return {event.user_id for event in self.events} | {move.user_id for move in self.moves}


class Commits:
    def __init__(self, store: ShardStore, streams: Callable[[], Awaitable[UserStreams]]) -> None:
        self._store = store
        self._streams = streams
        self._batch = Batch()
        self._repeats = False
        """The batch was tried before, and may be there without our knowing."""
        self._committed: list[WrittenEvent] = []
        self._untold: set[UUID] = set()
        """Users of whom more was committed than is known here."""
        self.events = 0
        """Events that were committed."""
        self.failed = 0
        """Runs that have failed."""
        self.last_failed_s: float | None = None
        self.times = Lags()

    @property
    def batch(self) -> Batch:
        """The things that are written with the next commit."""
        return self._batch

    async def commit(self) -> list[Move]:
        """Write the batch, until it is there; return the moves that the runs' states do not take any more.

        Raises:
            EpochOver: the shard has another process.
            ServiceUnavailable: Postgres does not answer; the batch is kept, and may have been written.
        """
        if not (batch := self._batch):
            return []
        refused: list[Move] = []
        again, self._repeats = self._repeats, True
        began_s = time.perf_counter()
        async with self._store.writing() as transaction:
            await _lock(transaction, batch)
            committed = await append(transaction, batch.events)
            for one in batch.moves:
                refused += await _moved(transaction, one)
            if batch.taken_ms:
                await move_checkpoints(transaction, batch.taken_ms)
        self._count(batch, refused, len(committed), time.perf_counter() - began_s)
        self._batch, self._repeats = Batch(), False
        self._committed += committed
        self._untold |= batch.user_ids if again else {one.user_id for one in batch.moves}
        return refused

    def _count(self, batch: Batch, refused: Sequence[Move], events: int, seconds: float) -> None:
        self.times.add(round(seconds * 1000))
        self.events += events
        if failed := sum(one.action is RunAction.FAIL and one not in refused for one in batch.moves):
            self.failed += failed
            self.last_failed_s = time.time()

    async def tell(self) -> None:
        """Append to the users' streams what is committed; without Valkey it is told later."""
        committed, untold = self._committed, self._untold
        if not committed and not untold:
            return
        self._committed, self._untold = [], set()
        try:
            await (await self._streams()).tell(committed, untold)
        except (CandlerayError, TimeoutError) as error:
            self._untold |= untold | {event.user_id for event in committed}
            log.warning("events_wait", step="user streams", users=len(self._untold), reason=in_words(error))
        except BaseException:
            self._untold |= untold | {event.user_id for event in committed}
            raise

    def tell_all(self, user_ids: Sequence[UUID]) -> None:
        self._untold.update(user_ids)


async def _lock(transaction: Transaction, batch: Batch) -> None:
    """Lock in the order of whoever moves one run: runs first, then the numbers of users' events.

    Without moves the events are all that is written of users, and locks them itself.
    """
    if not batch.moves:
        return
    for one in sorted(batch.moves, key=lambda one: one.run_id):
        await transaction.fetch("lock_run", one.user_id, one.run_id)
    await transaction.fetch("lock_event_numbers", list(batch.user_ids))


async def _moved(transaction: Transaction, one: Move) -> list[Move]:
    try:
        await move(transaction, one.user_id, one.run_id, one.action, one.cause)
    except (Conflict, NotFound):  # its user has stopped it, or it is done already
        return [one]
    return []
