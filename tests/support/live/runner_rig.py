"""A shard's process, which is killed again and again, beside real services that may be killed too."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psutil

from candleray.databases.postgres import Postgres
from candleray.databases.valkey import Valkey
from candleray.errors import ServiceUnavailable
from candleray.live.run import RunState
from candleray.live.stores.event_store import StrategyEvents
from candleray.live.stores.shard_store import ShardStore
from candleray.live.stores.user_streams import events_stream
from candleray.settings import ROOT
from candleray.timeframes import MINUTE_MS
from cluster.machine.data_folder import DataFolder
from cluster.machine.processes import is_running
from cluster.services.embedded_postgres import EmbeddedPostgres
from cluster.services.embedded_service import EmbeddedService
from cluster.services.embedded_valkey import EmbeddedValkey
from tests.support.embedded import service_folder
from tests.support.feeds.store_process import StoreAt
from tests.support.instances.processes import started
from tests.support.live.played_market import START_MS, PlayedMarket, in_order, said
from tests.support.live.runner_process import POINTS
from tests.support.live.runner_processes import LIMITS, RunnerProcesses
from tests.support.live.saved_runs import SavedRun
from tests.support.waiting import let_work_until, wait_until

SPEED = 60.0
SPOIL = "UPDATE live_snapshots SET content = substring(content FROM 1 FOR octet_length(content) / 2)"
RUNS = 8


@dataclass
class RunnerAccount:
    """The state at the end; each list names what should not be."""

    events: int = 0
    lost: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    entries: int = 0
    not_told: list[str] = field(default_factory=list)
    moved_back: list[str] = field(default_factory=list)

    def faults(self) -> dict[str, list[str]]:
        named = {
            "lost": self.lost,
            "extra": self.extra,
            "not in the user's stream": self.not_told,
            "checkpoints that moved back": self.moved_back,
        }
        return {name: found for name, found in named.items() if found}

    def line(self) -> str:
        return (
            f"{self.events:,} events: {len(self.lost)} lost, {len(self.extra)} extra or changed; "
            f"{self.entries:,} stream entries: {len(self.not_told)} missing or doubled; "
            f"{len(self.moved_back)} checkpoints moved back"
        )


class RunnerRig:
    def __init__(
        self,
        folder: DataFolder,
        stack: ExitStack,
        instruments: int,
        limits: Mapping[str, float],
        speed: float,
        market: type[PlayedMarket] = PlayedMarket,
    ) -> None:
        self._stack, self.folder = stack, folder
        self._limits, self._speed = limits, speed
        self.postgres_service = self._service(EmbeddedPostgres)
        self.valkey_service = self._service(EmbeddedValkey)
        self.store_path = str(folder.run_dir / "store")
        folder.clickhouse.mkdir(exist_ok=True)
        self.logs = stack.enter_context((folder.path / "runners.log").open("w"))
        self.begin_store()
        self.runners = RunnerProcesses(stack, self.store_path, self._settings(), self.logs)
        self.market = market(self._insert, instruments, minutes=4000)
        self.closed = 0
        """Minutes that have closed."""
        self.moved_back: list[str] = []

    async def open(self, stack: AsyncExitStack, runs: int) -> None:
        self.postgres = await Postgres.open(self.postgres_service.url)
        stack.push_async_callback(self.postgres.close)
        self.valkey = await Valkey.open(self.valkey_service.url)
        stack.push_async_callback(self.valkey.close)
        await self.market.begin()
        self.runs: list[SavedRun] = []
        for number in range(runs):
            # Three are of one user, so that numbers of several instruments interleave.
            user_id = self.runs[0].user_id if number in (1, 2) else None
            self.runs.append(await self.market.start(self.postgres, number, user_id))
        watch = asyncio.create_task(self._watch_checkpoints())
        stack.callback(watch.cancel)

    def begin_store(self) -> None:
        module = ("-m", "tests.support.feeds.store_process")
        command = (sys.executable, *module, str(self.folder.clickhouse), self.store_path)
        options: dict[str, Any] = {"stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
        self.store = self._stack.enter_context(started(*command, **options))
        assert self.store.stdout
        wait_until(self.store.stdout.readline, what="the candle store")

    def kill_store(self) -> None:
        self.store.kill()
        self.store.wait()

    @property
    def running(self) -> list[psutil.Process]:
        return self.runners.running

    def begin(
        self, dies: str | None = None, at: int = 1, shard: int = 0, times: str | None = None
    ) -> psutil.Process:
        return self.runners.begin(dies, at, shard, times)

    def kill_all(self) -> None:
        self.runners.kill_all()

    async def spoil_snapshots(self) -> None:
        """Leave half of each."""
        with suppress(ServiceUnavailable):
            async with self.postgres.connection() as connection:
                await connection.execute(SPOIL)

    async def close_minutes(self, count: int = 1, to_stream: bool = True) -> None:
        """Let minutes close: in the store for certain, in the streams where Valkey takes them."""
        minutes = range(self.closed, self.closed + count)
        for _ in range(2000):
            with suppress(ServiceUnavailable):
                await self.market.close(minutes, None)
                break
            await asyncio.sleep(0.02)
        with suppress(ServiceUnavailable):
            entries = [entry for one in self.market.instruments for entry in self.market.entries(one, minutes)]
            if to_stream:
                await self.valkey.append(entries, "0-0", begins=True)
        self.closed += count

    async def all_running(self, count: int) -> None:
        async def are_running() -> bool:
            return len(await ShardStore(self.postgres, 0).runs([RunState.RUNNING])) >= count

        await let_work_until(are_running, what=f"{count} runs", within_s=1200)

    async def taken(self, until: int | None = None) -> None:
        """Wait until all runs have taken all minutes that have closed."""
        last_ms = START_MS + ((self.closed if until is None else until) - 1) * MINUTE_MS

        async def is_taken() -> bool:
            with suppress(ServiceUnavailable):
                known = await ShardStore(self.postgres, 0).checkpoints(self.market.instruments)
                return len(known) == len(self.market.instruments) and min(known.values()) >= last_ms
            return False

        await let_work_until(is_taken, what=f"minute {self.closed - 1} is taken")

    async def account(self) -> RunnerAccount:
        account = RunnerAccount(moved_back=self.moved_back)
        for run in self.runs:
            expected = await self.market.expected(self.postgres, run, self.closed)
            found = in_order(await said(self.postgres, run))
            account.events += len(expected)
            account.lost += [f"{run.run_id} {one}" for one in expected if one not in found]
            account.extra += [f"{run.run_id} {one}" for one in found if one not in expected]
            account.extra += [
                f"{run.run_id} {count} x {one[:2]}" for one, count in Counter(map(str, found)).items() if count > 1
            ]
        for user_id in {run.user_id for run in self.runs}:
            events = [one.number for one in await StrategyEvents(self.postgres).after(user_id, 0, 100_000)]
            account.extra += [] if events == list(range(1, len(events) + 1)) else [f"numbers of {user_id}"]

            async def is_told(user_id: Any = user_id, last: int = events[-1]) -> bool:
                return await self.valkey.last_ids([events_stream(user_id)]) == [f"{last}-0"]

            await let_work_until(is_told, what="the user's stream")
            ids = [
                int(one.partition(b"-")[0]) for one, _ in await self.valkey.client.xrange(events_stream(user_id))
            ]
            account.entries += len(ids)
            account.not_told += (
                [] if ids == events[len(events) - len(ids) :] else [f"{user_id}: {ids} of {events}"]
            )
        return account

    async def _insert(self, batch: Any) -> None:
        await StoreAt(self.store_path)("insert_many", batch, "websocket", None)

    async def _watch_checkpoints(self) -> None:
        known: dict[Any, int] = {}
        while True:
            with suppress(ServiceUnavailable):
                found = await ShardStore(self.postgres, 0).checkpoints(self.market.instruments)
                back = [one.key for one, ms in known.items() if found.get(one, 0) < ms]
                self.moved_back += back
                known |= found
            await asyncio.sleep(0.05)

    def _settings(self) -> dict[str, Any]:
        return {
            "services": {"postgres_url": self.postgres_service.url, "redis_url": self.valkey_service.url},
            "live_runs": dict(self._limits),
            "live": {"clock_speed": self._speed},
        }

    def _service(self, service_class: type[EmbeddedService]) -> EmbeddedService:
        service = service_class(self.folder)
        self._stack.callback(service.stop)
        service.start()
        return service


@asynccontextmanager
async def runner_rig(
    runs: int = RUNS,
    instruments: int = 2,
    limits: Mapping[str, float] = LIMITS,
    speed: float = SPEED,
    market: type[PlayedMarket] = PlayedMarket,
) -> AsyncIterator[RunnerRig]:
    """Everything but the shard itself runs; all ends with the block."""
    with ExitStack() as stack:
        rig = RunnerRig(stack.enter_context(service_folder()), stack, instruments, limits, speed, market)
        async with AsyncExitStack() as opened:
            await rig.open(opened, runs)
            yield rig
        rig.kill_all()


class RunnerKiller:
    """Lives of the shard, each ended by `kill -9`: at a point of a batch, or at any moment."""

    def __init__(self, rig: RunnerRig, seed: int) -> None:
        self.rig = rig
        self.random = random.Random(seed)
        self.kills: Counter[str] = Counter()
        self.spoiled = 0
        """Lives that have begun with broken snapshots."""

    async def live_once(self) -> None:
        if self.random.random() < 0.3:
            await self.rig.spoil_snapshots()
            self.spoiled += 1
        point = self.random.choice([*POINTS, "anywhere"])
        if point == "anywhere":
            process = self.rig.begin()
            await self._close_for(self.random.uniform(0.0, 1.0))
            assert is_running(process), f"it ended by itself: {self.rig.folder.path}/runners.log"
        else:
            process = self.rig.begin(point, self.random.choice([1, 1, 2]))
            await self._close_until(lambda: not is_running(process), point)
        self.rig.kill_all()
        self.kills[point] += 1

    async def _close_for(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        end_s = loop.time() + seconds
        while loop.time() < end_s:
            await self.rig.close_minutes()
            await asyncio.sleep(0.02)

    async def _close_until(self, holds: Callable[[], bool], point: str) -> None:
        for _ in range(2000):
            if holds():
                return
            await self.rig.close_minutes()
            await asyncio.sleep(0.05)
        raise AssertionError(f"no process died at {point}: {self.rig.folder.path}/runners.log")


async def valkey_killed(rig: RunnerRig) -> None:
    rig.valkey_service.kill()
    await rig.close_minutes(3)
    rig.valkey_service.start()


async def valkey_emptied(rig: RunnerRig) -> None:
    await rig.valkey.client.flushall()


async def postgres_killed(rig: RunnerRig) -> None:
    rig.postgres_service.kill()
    await rig.close_minutes(3)
    rig.postgres_service.start()


async def store_killed(rig: RunnerRig) -> None:
    rig.kill_store()
    await asyncio.sleep(0.2)
    rig.begin_store()


OUTAGES: Mapping[str, Callable[[RunnerRig], Awaitable[None]]] = {
    "Valkey killed": valkey_killed,
    "Valkey emptied": valkey_emptied,
    "Postgres killed": postgres_killed,
    "candle store killed": store_killed,
}
