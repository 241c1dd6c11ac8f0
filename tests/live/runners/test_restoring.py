"""Runs of a shard that come back from snapshots, or over their histories where these are of no use."""

from __future__ import annotations

from candleray.live.run import RunAction, RunState
from candleray.live.runners.shard_course import ShardCourse
from candleray.live.stores.store import Runs
from candleray.timeframes import MINUTE_MS
from tests.support.live.played_market import START_MS
from tests.support.live.shard_rig import Rig, is_in
from tests.support.waiting import let_work_until

CUT = "UPDATE live_snapshots SET content = substring(content FROM 1 FOR octet_length(content) / 2)"
SWAPPED = """
UPDATE live_snapshots AS one SET content = other.content FROM live_snapshots AS other
WHERE one.instrument_key <> other.instrument_key
"""
OLD = "UPDATE live_snapshots SET code = 'of yesterday'"


async def has_kept(course: ShardCourse, minute: int) -> None:
    """Wait until the snapshots of both instruments have that minute."""

    def are_kept() -> bool:
        kept = course.state.kept_ms.values()
        return len(kept) == 2 and min(kept) > START_MS + minute * MINUTE_MS

    await let_work_until(are_kept, what="snapshots")


async def test_runs_come_back_from_snapshots_and_where_one_is_broken_over_their_histories(rig: Rig) -> None:
    runs = [await rig.start(number) for number in range(4)]
    async with rig.running(snapshot_minutes=1) as course:
        await let_work_until(lambda: len(course.state.attached) == 4, what="runs")
        await rig.close(range(10))
        await rig.taken(9)
        await has_kept(course, 9)
        assert (course.figures().restored, course.figures().snapshots_refused) == (0, 0)
    await rig.close(range(10, 14), to_stream=False)
    async with rig.running() as course:
        await rig.taken(13)
        await rig.close(range(14, 17))
        await rig.taken(16)
        assert (course.figures().restored, course.figures().snapshots_refused) == (4, 0)
    closed = 17
    for spoil in (CUT, SWAPPED, OLD):
        await rig.postgres._pool.execute(spoil)
        async with rig.running(snapshot_minutes=1) as course:
            await rig.close(range(closed, closed + 3))
            closed += 3
            await rig.taken(closed - 1)
            await has_kept(course, closed - 1)
            assert (course.figures().restored, course.figures().snapshots_refused) == (0, 2), spoil
    for run in runs:
        await rig.has(run, closed)


async def test_a_snapshot_speaks_for_no_later_session_and_for_no_run_that_came_after_it(rig: Rig) -> None:
    first, same, other = [await rig.start(number) for number in (0, 2, 1)]
    async with rig.running(snapshot_minutes=1) as course:
        await let_work_until(lambda: len(course.state.attached) == 3, what="runs")
        await rig.close(range(5))
        await rig.taken(4)
        await has_kept(course, 4)
    for action in (RunAction.STOP, RunAction.RUN):
        async with rig.running():
            await Runs(rig.postgres).move(first.user_id, first.run_id, action, "the test")
            state = RunState.STOPPED if action is RunAction.STOP else RunState.RUNNING
            await let_work_until(lambda state=state: is_in(rig, first, state), what=state)
    late = await rig.start(4)
    async with rig.running():
        await let_work_until(lambda: is_in(rig, late, RunState.RUNNING), what="the late one")
    async with rig.running() as course:
        await rig.close(range(5, 12))
        await rig.taken(11)
        assert course.figures().restored == 2
        assert course.figures().runs[RunState.RUNNING] == 4
    for run in (same, other, late):
        await rig.has(run, 12)
