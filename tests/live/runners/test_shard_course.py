"""The course of a shard: minutes in, events once, whatever is away meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from candleray.databases.postgres import Postgres
from candleray.databases.valkey import Valkey
from candleray.feeds.candle_stream import stream_of
from candleray.feeds.hole_store import HoleStore
from candleray.feeds.minutes import Verdict
from candleray.live.event_store import StrategyEvents
from candleray.live.events import EventKind, Wait
from candleray.live.run import RunAction, RunState
from candleray.live.runners.shard_course import ShardCourse
from candleray.live.runners.shard_figures import ShardFigures
from candleray.live.runners.shard_state import ShardServices
from candleray.live.shard_store import EpochOver, ShardStore
from candleray.live.store import Runs
from candleray.live.user_streams import events_stream, standings_stream
from candleray.market_data.candle_store import CandleStore
from candleray.market_data.candle_store_client import CandleStoreClient
from candleray.settings import LiveRunSettings, LiveSettings, Settings
from candleray.timeframes import MINUTE_MS, to_ms
from tests.support.api.in_process_api import in_process
from tests.support.embedded import new_database
from tests.support.live.played_market import START_MS, PlayedMarket, in_order, said
from tests.support.live.saved_runs import SavedRun
from tests.support.waiting import let_work_until

SPOIL = """
UPDATE strategies SET spec = spoiled, spec_hash = encode(sha256(convert_to(spoiled, 'UTF8')), 'hex')
FROM (SELECT replace(spec, '"ema"', '"gone"') AS spoiled FROM strategies WHERE strategy_id = $1) AS other
WHERE strategy_id = $1
"""
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

    def course(self, **limits: Any) -> ShardCourse:
        settings = Settings(live_runs=LiveRunSettings(**FAST | limits), live=LiveSettings(clock_speed=60))
        store = CandleStoreClient(in_process(self.embedded))
        services = ShardServices(self.postgres, self._valkey, store, self.observed.append)
        return ShardCourse(0, settings, services)

    async def _valkey(self) -> Valkey:
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


@pytest.fixture
async def rig(embedded_store: CandleStore, postgres_url: str, valkey_url: str) -> AsyncIterator[Rig]:
    # Not the database of other tests: a shard takes up every run there is.
    postgres = await Postgres.open(await new_database(postgres_url))
    valkey = await Valkey.open(valkey_url)
    rig = Rig(postgres, valkey, embedded_store)
    await rig.market.begin()
    yield rig
    await valkey.close()
    await postgres.close()


async def test_a_run_is_taken_up_says_what_a_whole_course_says_and_is_let_go(rig: Rig) -> None:
    runs = [await rig.start(number) for number in range(4)]
    await rig.close(range(5))
    async with rig.running() as course:
        await let_work_until(lambda: len(course.state.attached) >= 4, what="runs")
        for first in range(5, 40, 5):
            await rig.close(range(first, first + 5))
        await rig.taken(39)
        assert course.waits == {}, "every step goes on"
        for run in runs:
            assert await rig.state(run) is RunState.RUNNING
            await rig.has(run, 40)
            assert len(await said(rig.postgres, run)) > 3
        await Runs(rig.postgres).move(runs[0].user_id, runs[0].run_id, RunAction.STOP, "the test")
        await let_work_until(lambda: _is(rig, runs[0], RunState.STOPPED), what="the stop")
        assert runs[0].run_id not in course.state.attached
        figures = course.figures()
        assert (figures.epoch, figures.untaken, figures.failed, figures.last_failed_s) == (1, 0, 0, None)
        assert figures.runs[RunState.RUNNING] == 3
        assert figures.events == sum([len(await said(rig.postgres, run)) for run in runs])
        assert figures.bars > 4 * 30, "each run counts its own"
        assert figures.commit_ms["0.5"] is not None
        assert figures.lag_s is not None
        assert {one.epoch for one in rig.observed} == {1}


async def test_the_users_stream_has_every_event_once_and_in_order_with_its_number(rig: Rig) -> None:
    run = await rig.start()
    await rig.start(1, user_id=run.user_id)
    async with rig.running():
        for first in range(0, 30, 3):
            await rig.close(range(first, first + 3))
        await rig.taken(29)
        events = await StrategyEvents(rig.postgres).after(run.user_id, 0, 1000)

        async def told() -> list[str]:
            entries = await rig.valkey.client.xrange(events_stream(run.user_id))
            return [entry_id.decode() for entry_id, _ in entries]

        numbers = [f"{event.number}-0" for event in events]
        await let_work_until(lambda: _equal(told, numbers), what="the stream")
        await let_work_until(lambda: rig.valkey.client.xlen(standings_stream(run.user_id)), what="standings")


async def _equal(told: Any, expected: Any) -> bool:
    return bool(await told() == expected)


async def test_minutes_that_the_stream_lacks_come_from_the_tape(rig: Rig) -> None:
    run, other = await rig.start(0), await rig.start(1)
    async with rig.running():
        await rig.close(range(5))
        await rig.close(range(5, 8), to_stream=False)
        await rig.close(range(8, 12))
        await rig.taken(11)
        await rig.close(range(12, 15), to_stream=False)
        await rig.taken(14)
    await rig.has(run, 15)
    await rig.has(other, 15)


async def test_a_minute_is_waited_for_until_it_comes_or_a_verdict_and_one_after_that_is_told_as_late(
    rig: Rig,
) -> None:
    run, other = await rig.start(0), await rig.start(1)
    first, second = rig.market.instruments
    holes = HoleStore(rig.postgres)

    async with rig.running() as course:
        await rig.close(range(6))
        await rig.taken(5)
        await rig.market.store(second, range(6, 12))
        await rig.market.store(first, range(7, 12))
        await rig.valkey.append(
            [*rig.market.entries(first, range(7, 12)), *rig.market.entries(second, range(6, 12))], "0-0"
        )
        hole_ms = START_MS + 6 * MINUTE_MS
        await let_work_until(
            lambda: course.state.book.decided_ms(second) == START_MS + 12 * MINUTE_MS, what="the second"
        )
        assert course.state.book.decided_ms(first) == hole_ms
        await holes.declare(first.market, [Verdict(first.symbol, hole_ms, hole_ms, hole_ms)])
        await rig.taken(11)
        await rig.market.store(first, [6])
        await holes.fill(first.market, [(first.symbol, hole_ms)])
        late = [EventKind.LATE_CANDLE]

        async def is_told() -> bool:
            return len(await said(rig.postgres, run, late)) == 1

        await let_work_until(is_told, what="the late candle")
    told = [one for one in await said(rig.postgres, run) if one.body.kind is not EventKind.LATE_CANDLE]
    assert in_order(told) == await rig.market.expected(rig.postgres, run, 12, without=[6])
    await rig.has(other, 12)


async def test_it_goes_on_without_valkey_and_tells_the_streams_later(rig: Rig) -> None:
    run, other = await rig.start(0), await rig.start(1)
    async with rig.running():
        await rig.close(range(5))
        await rig.taken(4)
        rig.is_valkey_away = True
        for first in range(5, 15, 5):
            await rig.close(range(first, first + 5), to_stream=False)
        await rig.taken(14)
        await rig.has(run, 15)
        rig.is_valkey_away = False
        for stream in map(stream_of, rig.market.instruments):
            await rig.valkey.client.delete(stream)  # emptied meanwhile
        await rig.close(range(15, 20), to_stream=False)
        await rig.taken(19)
        last = await StrategyEvents(rig.postgres).last_number(run.user_id)

        async def is_told() -> bool:
            return await rig.valkey.last_ids([events_stream(run.user_id)]) == [f"{last}-0"]

        await let_work_until(is_told, what="the user's stream")
    await rig.has(other, 20)


async def test_a_run_that_cannot_run_fails_with_the_reason_and_the_others_go_on(rig: Rig) -> None:
    bad, good = await rig.start(0), await rig.start(1)
    async with rig.postgres.transaction() as transaction:
        connection = transaction._connection
        await connection.execute("SET LOCAL session_replication_role = replica")  # a strategy never changes
        await connection.execute(SPOIL, bad.run.strategy_id)
    async with rig.running() as course:
        await rig.close(range(5))
        await let_work_until(lambda: _is(rig, bad, RunState.FAILED), what="the failure")
        await let_work_until(lambda: _is(rig, good, RunState.RUNNING), what="the other")
        assert course.figures().failed == 1
        assert course.figures().last_failed_s is not None
    cause = (await Runs(rig.postgres).get(bad.user_id, bad.run_id)).events[-1].cause
    assert "the strategy cannot run with the engine of today" in cause
    assert "gone" in cause


async def _is(rig: Rig, run: SavedRun, state: RunState) -> bool:
    return await rig.state(run) is state


async def test_runs_that_come_back_after_others_of_their_instrument_miss_nothing_that_was_said_meanwhile(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("candleray.live.runners.run_roster.TAKEN_AT_ONCE", 1)
    runs = [await rig.start(number) for number in range(6)]
    async with rig.running():
        await rig.close(range(5))
        await rig.taken(4)
        for run in runs:
            await let_work_until(lambda run=run: _is(rig, run, RunState.RUNNING), what="the runs")
    await rig.close(range(5, 25), to_stream=False)
    async with rig.running():
        await rig.taken(24)
        for run in runs:
            await rig.has(run, 25)


async def test_a_run_whose_minutes_come_no_more_says_why_once_and_stands_there_with_the_reason(rig: Rig) -> None:
    run = await rig.start(0)
    await rig.start(1)
    async with rig.running() as course:
        await rig.close(range(5))
        await rig.taken(4)

        def waits_for() -> str:
            return " ".join(one.waits_for or "" for one in course.standings(run.user_id))

        await let_work_until(lambda: "nobody ingests it" in waits_for(), what="the reason")
        [instrument, _] = rig.market.instruments
        assert waits_for().startswith(
            f"minutes of {instrument.key} from 2025-01-01T00:05:00Z on: nobody ingests it"
        )
        await asyncio.sleep(2 * FAST["standing_every_s"])
        [told] = await said(rig.postgres, run, [EventKind.WAIT])
        assert isinstance(told.body, Wait)
        assert (to_ms(told.ts_open), told.body.instrument) == (START_MS + 5 * MINUTE_MS, instrument.key)
        await rig.close(range(5, 9))
        await rig.taken(8)
        assert waits_for().strip() == ""
    await rig.has(run, 9)


async def test_runs_that_are_hours_behind_catch_up_from_their_histories_at_once(rig: Rig) -> None:
    runs = [await rig.start(number) for number in range(4)]
    async with rig.running() as course:
        await rig.close(range(5))
        await rig.taken(4)
        await rig.close(range(5, 300), to_stream=False)
        await rig.taken(299)
        assert course.state.bars < 100, "not one after the other"
        await rig.close(range(300, 330))  # in pieces
        await rig.taken(329)
        for run in runs:
            await rig.has(run, 330)


async def test_a_run_beyond_the_limit_is_refused_with_the_number_and_the_setting(rig: Rig) -> None:
    first = await rig.start(0)
    async with rig.running() as course:
        await let_work_until(lambda: _is(rig, first, RunState.RUNNING), what="the first")
        most = len(course.state.attached)
        course.state.limits = course.state.limits.model_copy(update={"max_runs_per_shard": most})
        second = await rig.start(1)
        await let_work_until(lambda: _is(rig, second, RunState.FAILED), what="the refusal")
    cause = (await Runs(rig.postgres).get(second.user_id, second.run_id)).events[-1].cause
    assert f"has {most} runs and takes no more (live_runs.max_runs_per_shard is {most}): stop others" in cause


async def test_a_course_that_was_replaced_writes_nothing_more_and_ends(rig: Rig) -> None:
    run, other = await rig.start(0), await rig.start(1)
    former = rig.course()
    task = asyncio.create_task(former.run())
    await rig.close(range(5))
    await rig.taken(4)
    async with rig.running():
        await rig.close(range(5, 10))
        with pytest.raises(ExceptionGroup) as raised:
            await asyncio.wait_for(task, 20)
        assert raised.value.subgroup(EpochOver)
        await rig.taken(9)
    await rig.has(run, 10)
    await rig.has(other, 10)
