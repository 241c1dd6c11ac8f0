"""Kills along the chain of live signals, in a drawn order, while those before are still being recovered from."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from cluster.machine.processes import is_running
from tests.support.feeds.ingestion_rig import VENUES
from tests.support.feeds.kills import AIMS
from tests.support.live.live_chain import LiveChain
from tests.support.live.runner_process import POINTS
from tests.support.waiting import let_work_until

MOST_AWAY_S, MOST_BETWEEN_S = 2.0, 1.5
"""A minute of the venues takes a second."""
ALSO = 0.3
"""The part of the kills at which another part of the chain is killed with it."""
INGESTION_AIMS = ("anywhere", "begins", "stored", "answered")
_MINUTES_FOR_A_POINT_S = 60.0


class Service(Protocol):
    def kill(self) -> object: ...
    def start(self) -> object: ...


@asynccontextmanager
async def _away(service: Service) -> AsyncIterator[None]:
    """A service killed, and started again at the end."""
    await asyncio.to_thread(service.kill)
    yield
    await asyncio.to_thread(service.start)


class ChainKiller:
    """Kills of a part, or of two at once; each is begun again a little later."""

    def __init__(self, chain: LiveChain, seed: int) -> None:
        self.chain = chain
        self.random = random.Random(seed)
        self.kills: Counter[str] = Counter()

    async def kill_once(self) -> None:
        part = self.random.choice(list(PARTS))
        async with self._killed(part):
            if self.random.random() < ALSO:
                others = [one for one in AT_ANY_TIME if not part.startswith(one)]
                async with self._killed(self.random.choice(others)):
                    await self._pause(MOST_AWAY_S)
            else:
                await self._pause(MOST_AWAY_S)
        await self._pause(MOST_BETWEEN_S)

    @asynccontextmanager
    async def _killed(self, part: str) -> AsyncIterator[None]:
        async with PARTS[part](self):
            self.kills[part] += 1
            yield

    async def _pause(self, most_s: float) -> None:
        await asyncio.sleep(self.random.uniform(0, most_s))

    @asynccontextmanager
    async def ingestion(self) -> AsyncIterator[None]:
        """A venue's feed, somewhere or in an insert."""
        rig, venue = self.chain.ingestion, self.random.choice(VENUES)
        aim = self.random.choice(INGESTION_AIMS)
        if aim != "anywhere":
            await asyncio.to_thread(rig.events.wait_next, aim, 2.0)
            await self._pause(AIMS[aim])
        assert is_running(rig.running[venue]), f"it ended by itself: {rig.folder.path}/ingestion.log"
        rig.kill(venue)
        yield
        rig.begin(venue)

    @asynccontextmanager
    async def shard(self) -> AsyncIterator[None]:
        """The process of the shard, anywhere."""
        runners = self.chain.runners
        [process] = runners.running
        assert is_running(process), f"it ended by itself: {self.chain.ingestion.folder.path}/ingestion.log"
        runners.kill_all()
        yield
        runners.begin()

    @asynccontextmanager
    async def shard_at_a_point(self) -> AsyncIterator[None]:
        """The process of the shard, by its own hand at a point of a batch."""
        runners = self.chain.runners
        runners.kill_all()
        doomed = runners.begin(self.random.choice(POINTS), self.random.choice([1, 1, 2]))
        await let_work_until(lambda: not is_running(doomed), what="it dies", within_s=_MINUTES_FOR_A_POINT_S)
        runners.kill_all()
        yield
        runners.begin()

    @asynccontextmanager
    async def notifier(self) -> AsyncIterator[None]:
        async with _away(self.chain.notifier):
            yield

    @asynccontextmanager
    async def valkey(self) -> AsyncIterator[None]:
        async with _away(self.chain.ingestion.valkey):
            yield

    @asynccontextmanager
    async def emptied(self) -> AsyncIterator[None]:
        await self.chain.valkey.client.flushall()
        yield

    @asynccontextmanager
    async def postgres(self) -> AsyncIterator[None]:
        async with _away(self.chain.ingestion.postgres):
            yield

    @asynccontextmanager
    async def store(self) -> AsyncIterator[None]:
        """The candle store, in an insert where one begins."""
        rig = self.chain.ingestion
        await asyncio.to_thread(rig.events.wait_next, "begins", 2.0)
        await asyncio.to_thread(rig.kill_store)
        yield
        await asyncio.to_thread(rig.begin_store)


PARTS: Mapping[str, Callable[[ChainKiller], AbstractAsyncContextManager[None]]] = {
    "ingestion": ChainKiller.ingestion,
    "shard": ChainKiller.shard,
    "shard at a point of a batch": ChainKiller.shard_at_a_point,
    "notifier": ChainKiller.notifier,
    "Valkey": ChainKiller.valkey,
    "Valkey emptied": ChainKiller.emptied,
    "Postgres": ChainKiller.postgres,
    "candle store": ChainKiller.store,
}
AT_ANY_TIME = ("ingestion", "shard", "notifier", "Valkey", "Postgres", "candle store")
"""Parts that are killed whatever else is away: the others need it to come to where they die."""
