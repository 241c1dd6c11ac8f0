"""The course of a shard: minutes in, events once, whatever is away meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from candleray.databases.postgres import Postgres
from candleray.feeds.candle_stream import stream_of
from candleray.feeds.hole_store import HoleStore
from candleray.feeds.minutes import Verdict
from candleray.live.events import Entry, EventKind, Exit
from candleray.live.paper.shard_paper import ShardPaper
from candleray.live.run import RunAction, RunMode, RunState
from candleray.live.runners.shard_course import ShardCourse
from candleray.live.stores.event_store import StrategyEvents
from candleray.live.stores.order_pages import OrderPages
from candleray.live.stores.shard_store import EpochOver
from candleray.live.stores.standings import standings_of
from candleray.live.stores.store import Runs
from candleray.live.stores.user_streams import events_stream, standings_stream
from candleray.timeframes import MINUTE_MS
from tests.support.live.played_market import START_MS, in_order, said
from tests.support.live.shard_rig import Rig, is_in
from tests.support.waiting import let_work_until

SPOIL = """
UPDATE strategies SET spec = spoiled, spec_hash = encode(sha256(convert_to(spoiled, 'UTF8')), 'hex')
FROM (SELECT replace(spec, '"ema"', '"gone"') AS spoiled FROM strategies WHERE strategy_id = $1) AS other
WHERE strategy_id = $1
"""


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
        await let_work_until(lambda: is_in(rig, runs[0], RunState.STOPPED), what="the stop")
        assert runs[0].run_id not in course.state.attached
        figures = course.figures()
        assert (figures.epoch, figures.untaken, figures.failed, figures.last_failed_s) == (1, 0, 0, None)
        assert figures.runs[RunState.RUNNING] == 3
        assert figures.events == sum([len(await said(rig.postgres, run)) for run in runs])
        assert figures.bars > 4 * 30, "each run counts its own"
        assert figures.commit_ms["0.5"] is not None
        assert figures.lag_s is not None
        assert {one.epoch for one in rig.observed} == {1}


async def test_a_run_on_paper_makes_an_order_of_each_entry_and_exit_and_others_make_none(rig: Rig) -> None:
    run, other = await rig.start(0, mode=RunMode.PAPER), await rig.start(1)
    async with rig.running() as course:
        await let_work_until(lambda: len(course.state.attached) >= 2, what="runs")
        await rig.close(range(30))
        await rig.taken(29)
        trades = await said(rig.postgres, run, [EventKind.ENTRY, EventKind.EXIT])
        pages = OrderPages(rig.postgres, run.run_id)

        async def is_filled() -> bool:
            return len(await said(rig.postgres, run, [EventKind.FILL])) == len(trades)

        await let_work_until(is_filled, what="fills")
        fills = (await pages.fills(None, 0, 100)).fills
        prices = [one.body.price for one in trades if isinstance(one.body, Entry | Exit)]
        assert [float(one.price) for one in fills] == prices
        numbers = [one.number for one in await StrategyEvents(rig.postgres).after(run.user_id, 0, 1000)]

        async def told() -> bool:
            entries = await rig.valkey.client.xrange(events_stream(run.user_id))
            return len(entries) == len(numbers)

        await let_work_until(told, what="the stream")
    assert (await OrderPages(rig.postgres, other.run_id).orders(None, 0, 10)).orders == ()


async def test_without_a_run_on_paper_nothing_is_asked_for(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    paper = ShardPaper(rig.course().state)
    await paper.look()

    async def refuse(*_: Any) -> None:
        raise AssertionError("asked")

    monkeypatch.setattr(Postgres, "fetch", refuse)
    await paper.look()


async def test_a_run_that_comes_back_counts_once_at_every_moment(rig: Rig) -> None:
    for number in range(4):
        await rig.start(number)
    async with rig.running() as course:
        await let_work_until(lambda: course.figures().runs[RunState.RUNNING] == 4, what="runs")
    counted: set[tuple[int, int]] = set()

    async def count(course: ShardCourse) -> None:
        while True:
            figures = course.figures()
            counted.add((sum(figures.runs.values()), figures.untaken + len(course.state.attached)))
            await asyncio.sleep(0)

    async with rig.running() as course, asyncio.TaskGroup() as tasks:
        counting = tasks.create_task(count(course))
        await let_work_until(lambda: len(course.state.attached) == 4, what="runs")
        await rig.close(range(3))
        await rig.taken(2)
        counting.cancel()
    assert counted == {(0, 0), (4, 4)}, "before the first look, and after it"


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
        assert not await rig.valkey.client.exists(standings_stream(run.user_id)), "nobody has asked for it"
        assert (await standings_of(rig.open_valkey, run.user_id))[run.run_id].session == 1


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
        await let_work_until(lambda: is_in(rig, bad, RunState.FAILED), what="the failure")
        await let_work_until(lambda: is_in(rig, good, RunState.RUNNING), what="the other")
        assert course.figures().failed == 1
        assert course.figures().last_failed_s is not None
    cause = (await Runs(rig.postgres).get(bad.user_id, bad.run_id)).events[-1].cause
    assert "the strategy cannot run with the engine of today" in cause
    assert "gone" in cause


async def test_a_run_beyond_the_limit_is_refused_with_the_number_and_the_setting(rig: Rig) -> None:
    first = await rig.start(0)
    async with rig.running() as course:
        await let_work_until(lambda: is_in(rig, first, RunState.RUNNING), what="the first")
        most = len(course.state.attached)
        course.state.limits = course.state.limits.model_copy(update={"max_runs_per_shard": most})
        second = await rig.start(1)
        await let_work_until(lambda: is_in(rig, second, RunState.FAILED), what="the refusal")
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
            async with asyncio.timeout(60):
                await task
        assert raised.value.subgroup(EpochOver)
        await rig.taken(9)
    await rig.has(run, 10)
    await rig.has(other, 10)
