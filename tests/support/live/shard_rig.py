"""A shard's course over a played market, with real services."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from candleray.databases.postgres import Postgres
from candleray.databases.valkey import Valkey
from candleray.feeds.subscription_store import SubscriptionStore
from candleray.identity.user_store import Users
from candleray.live.run import RunState
from candleray.live.runners.shard_course import ShardCourse
from candleray.live.runners.shard_figures import ShardFigures
from candleray.live.runners.shard_state import ShardServices
from candleray.live.stores.shard_store import ShardStore
from candleray.live.stores.store import Runs
from candleray.market_data.candle_store import CandleStore
from candleray.market_data.candle_store_client import CandleStoreClient
from candleray.markets import Instrument
from candleray.settings import LiveRunSettings, LiveSettings, Settings
from candleray.timeframes import MINUTE_MS
from tests.support.api.in_process_api import in_process
from tests.support.live.played_market import START_MS, PlayedMarket, in_order, said
from tests.support.live.saved_runs import SavedRun
from tests.support.waiting import let_work_until

FAST = {"look_s": 0.1, "standing_every_s": 0.2, "without_stream_s": 0.2, "late_every_s": 0.2}


@dataclass
class Rig:
    postgres: Postgres
    valkey: Valkey
    embedded: CandleStore

    def __post_init__(self) -> None:
        self.is_valkey_away = False
        self.observed: list[ShardFigures] = []

        async def insert(batch: Any) -> None:
            await asyncio.to_thread(self.embedded.insert_many, batch, "websocket")

        self.market = PlayedMarket(insert)
        self.subscriptions = SubscriptionStore(self.postgres, LiveSettings())

    async def begin(self) -> None:
        """Have the market's instruments ingested, and stored up to minute 0."""
        await self.market.begin()
        user = await Users(self.postgres).known(1)
        symbols = [one.symbol for one in self.market.instruments]
        await self.subscriptions.add(user.user_id, self.market.instruments[0].market, symbols)

    async def unsubscribe(self, instrument: Instrument) -> None:
        user = await Users(self.postgres).known(1)
        await self.subscriptions.remove(user.user_id, instrument, force=True)

    def course(self, **limits: Any) -> ShardCourse:
        settings = Settings(live_runs=LiveRunSettings(**FAST | limits), live=LiveSettings(clock_speed=60))
        store = CandleStoreClient(in_process(self.embedded))
        services = ShardServices(self.postgres, self.open_valkey, store, self.observed.append)
        return ShardCourse(0, settings, services)

    async def open_valkey(self) -> Valkey:
        if self.is_valkey_away:
            return await Valkey.open("redis://127.0.0.1:1")
        return self.valkey

    @asynccontextmanager
    async def running(self, **limits: Any) -> AsyncIterator[ShardCourse]:
        course = self.course(**limits)
        task = asyncio.create_task(course.run())
        try:
            yield course
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def close(self, minutes: range, to_stream: bool = True) -> None:
        await self.market.close(minutes, self.valkey if to_stream else None)

    async def start(self, number: int = 0, **given: Any) -> SavedRun:
        return await self.market.start(self.postgres, number, **given)

    async def taken(self, minute: int) -> None:
        """Wait until all instruments were taken up to that minute."""
        store = ShardStore(self.postgres, 0)

        async def is_taken() -> bool:
            known = await store.checkpoints(self.market.instruments)
            return len(known) == 2 and min(known.values()) >= START_MS + minute * MINUTE_MS

        await let_work_until(is_taken, what=f"minute {minute}")

    async def state(self, run: SavedRun) -> RunState:
        return (await Runs(self.postgres).get(run.user_id, run.run_id)).state

    async def has(self, run: SavedRun, end: int, without: range = range(0)) -> None:
        assert in_order(await said(self.postgres, run)) == await self.market.expected(
            self.postgres, run, end, without
        )


async def is_in(rig: Rig, run: SavedRun, state: RunState) -> bool:
    return await rig.state(run) is state
