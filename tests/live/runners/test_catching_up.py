"""Runs that are behind: after a restart, an outage, a fault of the runner; or whose minutes come no more."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest

from candleray.live.events import EventKind, Wait
from candleray.live.run import RunAction, RunState
from candleray.live.runners import shard_state
from candleray.live.stores.store import Runs
from candleray.timeframes import MINUTE_MS, to_ms
from tests.support.live.played_market import START_MS, in_order, said
from tests.support.live.shard_rig import FAST, Rig, is_in
from tests.support.waiting import let_work_until


async def test_runs_that_come_back_after_others_of_their_instrument_miss_nothing_that_was_said_meanwhile(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("candleray.live.runners.run_roster.TAKEN_AT_ONCE", 1)
    runs = [await rig.start(number) for number in range(6)]
    async with rig.running():
        await rig.close(range(5))
        await rig.taken(4)
        for run in runs:
            await let_work_until(lambda run=run: is_in(rig, run, RunState.RUNNING), what="the runs")
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
        [instrument, _] = rig.market.instruments
        await rig.unsubscribe(instrument)

        def waits_for() -> str:
            return " ".join(one.waits_for or "" for one in course.standings(run.user_id))

        await let_work_until(lambda: "nobody ingests it" in waits_for(), what="the reason")
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


async def test_what_a_broken_step_of_the_book_has_half_taken_is_said_all_the_same(rig: Rig) -> None:
    run, other = await rig.start(0), await rig.start(1)
    async with rig.running() as course:
        await rig.close(range(5))
        await rig.taken(4)
        broken = course.state.book
        advance = broken.advance

        def advance_and_break(most_bars: int) -> Any:
            advance(most_bars)
            raise RuntimeError("broken")

        broken.advance = advance_and_break  # type: ignore[method-assign]
        await rig.close(range(5, 12))
        await rig.taken(11)
        assert course.state.book is not broken
    await rig.has(run, 12)
    await rig.has(other, 12)


async def test_runs_are_left_out_of_garbage_collection_and_go_when_they_end(rig: Rig, monkeypatch) -> None:
    monkeypatch.setattr(shard_state, "FROZEN_TOGETHER", 1)
    run = await rig.start(0)
    await rig.start(1)
    try:
        async with rig.running() as course:
            await rig.close(range(5))
            await rig.taken(4)
            assert gc.get_freeze_count() > 1000
            [kept] = [weakref.ref(one) for one, _ in course.state.book._runs.values() if one.run_id == run.run_id]
            await Runs(rig.postgres).move(run.user_id, run.run_id, RunAction.STOP, "the test")
            await let_work_until(lambda: is_in(rig, run, RunState.STOPPED), what="the stop")
            await rig.close(range(5, 7))
            await let_work_until(lambda: kept() is None, what="the run is freed", within_s=20)
    finally:
        gc.unfreeze()


async def test_a_run_that_is_stopped_while_its_runner_is_dead_has_taken_what_was_committed(rig: Rig) -> None:
    run, same, other = [await rig.start(number) for number in (0, 2, 1)]
    async with rig.running():
        await rig.close(range(5))
        await rig.taken(4)
        expected = await rig.market.expected(rig.postgres, run, 5)
    await Runs(rig.postgres).move(run.user_id, run.run_id, RunAction.STOP, "the test")
    await rig.close(range(5, 20))
    async with rig.running():
        await rig.taken(19)
        await let_work_until(lambda: is_in(rig, run, RunState.STOPPED), what="the stop")
    assert in_order(await said(rig.postgres, run)) == expected
    [session] = await rig.postgres.fetch("sessions_taken", run.user_id, run.run_id)
    assert to_ms(session["taken_until"]) == START_MS + 5 * MINUTE_MS
    await rig.has(same, 20)
    await rig.has(other, 20)
