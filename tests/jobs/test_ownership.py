"""Jobs of one user are nobody else's, in every state; what their owner may do in each."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from candleray.databases.postgres import Postgres
from candleray.errors import Conflict, NotFound
from candleray.jobs.attempts import Attempts
from candleray.jobs.job import ENDED, NOT_LAUNCHED, JobState
from candleray.jobs.store import Jobs
from candleray.paging import PagePosition
from tests.support.jobs import LIMITS, change_job, moved_to, result, rows_of, submitted
from tests.support.users import new_user_id

EVERY_STATE = pytest.mark.parametrize("state", list(JobState))


@EVERY_STATE
async def test_a_foreign_job_is_answered_as_an_unknown_one_and_left_as_it_is(
    jobs: Jobs, user: UUID, postgres: Postgres, state: JobState
):
    job_id = (await moved_to(postgres, user, state)).job_id
    stranger, before = await new_user_id(postgres), await rows_of(postgres, job_id)
    for call in (jobs.get, jobs.request, jobs.cancel, jobs.delete, jobs.result):
        for one in (job_id, uuid4()):
            with pytest.raises(NotFound, match=f"^there is no job {one}$"):
                await call(stranger, one)
    assert await jobs.page(stranger, None, None, 10) == []
    assert await rows_of(postgres, job_id) == before
    assert len(before["jobs"]) == 1


@EVERY_STATE
async def test_only_an_ended_job_is_deleted_with_everything_of_it_and_nothing_of_another(
    jobs: Jobs, user: UUID, postgres: Postgres, state: JobState
):
    job_id, other_id = (
        (await moved_to(postgres, user, state)).job_id,
        (await moved_to(postgres, user, state)).job_id,
    )
    before, other = await rows_of(postgres, job_id), await rows_of(postgres, other_id)
    if state in ENDED:
        await jobs.delete(user, job_id)
        assert not any((await rows_of(postgres, job_id)).values())
    else:
        with pytest.raises(Conflict, match=f"^job {job_id} is {state}: cancel it before it is deleted$"):
            await jobs.delete(user, job_id)
        assert await rows_of(postgres, job_id) == before
    assert await rows_of(postgres, other_id) == other


@EVERY_STATE
async def test_only_what_has_not_ended_is_cancelled(jobs: Jobs, user: UUID, postgres: Postgres, state: JobState):
    job_id, other_id = (
        (await moved_to(postgres, user, state)).job_id,
        (await moved_to(postgres, user, state)).job_id,
    )
    before, other = await rows_of(postgres, job_id), await rows_of(postgres, other_id)
    if state in (JobState.SUCCEEDED, JobState.FAILED):
        with pytest.raises(Conflict, match=f"has {state} and cannot be cancelled any more"):
            await jobs.cancel(user, job_id)
    else:
        assert (await jobs.cancel(user, job_id)).state == state
    if state not in ENDED:
        before["jobs"][0]["cancel_requested"] = True
    assert await rows_of(postgres, job_id) == before
    assert await rows_of(postgres, other_id) == other


@EVERY_STATE
async def test_only_one_that_has_succeeded_has_a_result(
    jobs: Jobs, user: UUID, state: JobState, postgres: Postgres
):
    job_id = (await moved_to(postgres, user, state)).job_id
    if state is JobState.SUCCEEDED:
        assert await jobs.result(user, job_id) == result()
        return
    with pytest.raises(Conflict, match=f"^job {job_id} is {state}: only one that has succeeded has a result$"):
        await jobs.result(user, job_id)


async def test_the_table_of_a_result_of_several_blocks_comes_in_the_order_of_its_ranks_and_cut(
    attempts: Attempts, jobs: Jobs, user: UUID, postgres: Postgres
):
    job, _ = await moved_to(postgres, user, JobState.RUNNING), await moved_to(postgres, user, JobState.SUCCEEDED)
    ranks = range(1, 451)
    await attempts.finish(job.job_id, 1, result(tuple(ranks)))
    assert [variant.rank for variant in (await jobs.result(user, job.job_id)).top] == list(ranks)
    assert [variant.rank for variant in await jobs.reports(job.job_id, 3)] == [1, 2, 3]


async def test_a_list_is_narrowed_by_states_and_pages_where_many_were_made_at_once(
    jobs: Jobs, user: UUID, postgres: Postgres
):
    made = {state: [await moved_to(postgres, user, state) for _ in range(2)] for state in JobState}
    for state in JobState:
        found = await jobs.page(user, [state], None, 10)
        assert [job.job_id for job in found] == [job.job_id for job in reversed(made[state])]
    chosen = [JobState.FAILED, JobState.QUEUED]
    assert {job.state for job in await jobs.page(user, chosen, None, 10)} == set(chosen)
    one = made[JobState.QUEUED][0]
    for same in (job for many in made.values() for job in many):
        await change_job(postgres, same.job_id, "created_at = $2", one.created_at)
    seen: list[UUID] = []
    after = None
    while page := await jobs.page(user, None, after, 3):
        seen += [job.job_id for job in page]
        after = PagePosition(page[-1].created_at, page[-1].job_id)
    assert len(seen) == len(set(seen)) == 10


async def test_what_waits_is_told_why_by_what_runs(jobs: Jobs, user: UUID, postgres: Postgres):
    running = await moved_to(postgres, user, JobState.RUNNING)
    waiting = await submitted(jobs, user)
    assert (await jobs.get(user, running.job_id)).waiting_for is None
    assert str(waiting.waiting_for).startswith(f"your job {running.job_id} runs, and one user may run 1")
    stranger = await new_user_id(postgres)
    assert (await submitted(jobs, stranger)).waiting_for == "it starts in a moment"
    await moved_to(postgres, await new_user_id(postgres), JobState.RUNNING)
    last = await submitted(jobs, await new_user_id(postgres))
    # The oldest that waits is of the user who runs one: it starts last.
    assert last.waiting_for == f"{LIMITS.max_running} jobs run, the most at once; waiting before this one: 1"


async def age_transitions(postgres: Postgres, job_id: UUID, seconds: float) -> None:
    async with postgres.connection() as connection:
        change = "UPDATE job_events SET at = at - make_interval(secs => $2) WHERE job_id = $1"
        await connection.execute(change, job_id, seconds)


async def test_what_waits_long_is_told_the_schedulers_own_reason(
    attempts: Attempts, jobs: Jobs, user: UUID, postgres: Postgres
):
    job_id = (await submitted(jobs, user)).job_id
    await age_transitions(postgres, job_id, 40)
    assert "it has waited for 40 s" in str((await jobs.get(user, job_id)).waiting_for)
    taken = await attempts.take_next()
    assert taken == (job_id, 1)
    assert (await jobs.get(user, job_id)).waiting_for is None
    await age_transitions(postgres, job_id, 30)
    assert "its driver was started 30 s ago" in str((await jobs.get(user, job_id)).waiting_for)
    await attempts.put_back(job_id, 1, f"{NOT_LAUNCHED}: Ray's dashboard does not answer")
    reason = "it could not be started: Ray's dashboard does not answer; the scheduler tries again"
    assert (await jobs.get(user, job_id)).waiting_for == reason
    assert [job.waiting_for for job in await jobs.page(user, None, None, 10)] == [reason]
