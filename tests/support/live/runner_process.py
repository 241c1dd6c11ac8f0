"""Processes of a shard that may be killed at any moment, and begun anew at once.

`python -m tests.support.live.runner_process` imports what a runner needs, then forks a process for each line of
its standard input, `{"shard": ..., "store": ..., "settings": ..., "dies": ..., "at": ...}`, and writes its id. A
process kills itself at the `at`-th time that it comes to the point `dies`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from actors.live_runner import shard_course, until_there_is_work
from candleray.databases.stream_groups import StreamGroup
from candleray.databases.valkey import StreamEntry, Valkey
from candleray.live.run import Run, RunState
from candleray.live.runners import shard_course as course_module  # noqa: F401 - each process has it at once
from candleray.live.runners.commits import Commits
from candleray.live.runners.shard_state import ShardState
from candleray.live.sessions import LiveRun, Session
from candleray.live.starting.warm_up import run_metadata
from candleray.live.stores.shard_store import ShardStore
from candleray.logs import configure_logs
from candleray.settings import Settings
from candleray.timeframes import from_ms
from tests.support.feeds.store_process import StoreAt
from tests.support.instances.forked import fork_for_each_line
from tests.support.live.played_market import START_MS, TRADES, PlayedMarket

POINTS = ("taken", "before commit", "after commit", "told", "half acknowledged", "acknowledged")
"""Points of a batch, in their order, at which a process may die."""


def main() -> None:
    fork_for_each_line(lambda given: run(**given), load_kernels)


def load_kernels() -> None:
    """Have the kernels of the played strategies in memory: each process would load them anew."""
    market = PlayedMarket(asyncio.sleep, instruments=1, minutes=10)
    at = from_ms(START_MS)
    for number in range(len(TRADES)):
        spec = market.spec(number)
        run = Run(
            run_id=UUID(int=number + 1),
            strategy_id=UUID(int=1),
            state=RunState.STARTING,
            state_since=at,
            created_at=at,
            metadata=run_metadata(spec, at),
        )
        market.undisturbed(LiveRun(UUID(int=1), run, Session(1, at, at)), spec, 10)


def run(shard: int, store: str, settings: dict[str, Any], dies: str | None, at: int, times: str | None) -> None:
    configure_logs("INFO")
    if times is not None:
        write_times(times)
    if dies is not None:
        die_at(dies, at)
    asyncio.run(run_shard(shard, store, Settings(**settings)))


async def run_shard(shard: int, store: str, settings: Settings) -> None:
    postgres = await until_there_is_work(shard, settings)
    await shard_course(shard, settings, postgres, StoreAt(store)).run()


def write_times(path: str) -> None:
    """Have this process write when events were committed and told, and how many."""
    file = open(path, "a", buffering=1)  # noqa: SIM115 - until the process ends
    commit, tell = Commits.commit, Commits.tell

    async def commit_and_write(ours: Commits) -> Any:
        events = len(ours.batch.events)
        refused = await commit(ours)
        if events:
            file.write(json.dumps(["committed", time.time(), events]) + "\n")
        return refused

    async def tell_and_write(ours: Commits) -> None:
        events = len(ours._committed)
        await tell(ours)
        if events:
            file.write(json.dumps(["told", time.time(), events]) + "\n")

    Commits.commit = commit_and_write  # type: ignore[method-assign]
    Commits.tell = tell_and_write  # type: ignore[method-assign]


def die_at(point: str, at: int) -> None:
    """Have this process kill itself there."""
    passed: Counter[str] = Counter()

    def come_to(name: str) -> None:
        passed[name] += 1
        if name == point and passed[name] == at:
            os.kill(os.getpid(), signal.SIGKILL)

    writing, append, acknowledge = ShardStore.writing, Valkey.append_numbered, StreamGroup.acknowledge
    advance = ShardState.advance

    async def advance_and_tell(state: ShardState, most_bars: int) -> bool:
        come_to("taken")
        return await advance(state, most_bars)

    @asynccontextmanager
    async def writing_and_tell(store: ShardStore) -> AsyncIterator[Any]:
        async with writing(store) as transaction:
            yield transaction
            come_to("before commit")
        come_to("after commit")

    async def append_and_tell(valkey: Valkey, streams: Any, field: str, most: int) -> list[str]:
        behind = await append(valkey, streams, field, most)
        come_to("told")
        return behind

    async def acknowledge_and_tell(group: StreamGroup, entries: list[StreamEntry]) -> None:
        half = len(entries) // 2
        await acknowledge(group, entries[:half])
        come_to("half acknowledged")
        await acknowledge(group, entries[half:])
        come_to("acknowledged")

    ShardState.advance = advance_and_tell  # type: ignore[method-assign]
    ShardStore.writing = writing_and_tell  # type: ignore[assignment,method-assign]
    Valkey.append_numbered = append_and_tell  # type: ignore[method-assign]
    StreamGroup.acknowledge = acknowledge_and_tell  # type: ignore[assignment,method-assign]


if __name__ == "__main__":
    main()
