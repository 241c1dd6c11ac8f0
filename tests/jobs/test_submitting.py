"""Jobs that are taken on: a user's jobs one after the other, so many of them waiting, one for each key."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from candleray.databases.postgres import Postgres
from candleray.errors import Conflict, GuardExceeded
from candleray.jobs.attempts import Attempts
from candleray.jobs.job import ENDED, Job, JobState
from candleray.jobs.store import Jobs
from candleray.settings import JobSettings
from tests.support.jobs import REQUEST, moved_to, rows_of, submitted
from tests.support.locks import held, waiting
from tests.support.users import new_user_id


async def test_a_user_has_so_many_jobs_waiting_and_no_more_however_many_come_at_once(
    attempts: Attempts, postgres: Postgres, user: UUID
):
    jobs = Jobs(postgres, JobSettings(max_queued_per_user=3))
    tried = await asyncio.gather(*(submitted(jobs, user) for _ in range(12)), return_exceptions=True)
    made = [one for one in tried if isinstance(one, Job)]
    refused = {str(one) for one in tried if isinstance(one, GuardExceeded)}
    assert len(made) == len(await attempts.unfinished()) == 3
    assert refused == {"3 of your jobs are waiting, at most 3 may: cancel some, or wait"}


async def test_what_runs_has_ended_or_is_anothers_takes_no_place_among_the_waiting(postgres: Postgres, user: UUID):
    jobs = Jobs(postgres, JobSettings(max_queued_per_user=1))
    for state in (JobState.RUNNING, *ENDED):
        await moved_to(postgres, user, state)
    await submitted(jobs, await new_user_id(postgres))
    await submitted(jobs, user)
    with pytest.raises(GuardExceeded):
        await submitted(jobs, user)


async def test_a_key_that_is_known_is_answered_where_there_is_no_room_for_another_job(
    attempts: Attempts, postgres: Postgres, user: UUID
):
    jobs = Jobs(postgres, JobSettings(max_queued_per_user=1))
    first = await submitted(jobs, user, "mine")
    again = await asyncio.gather(*(submitted(jobs, user, "mine") for _ in range(4)))
    assert {one.job_id for one in again} == {first.job_id}
    with pytest.raises(GuardExceeded):
        await submitted(jobs, user, "another")
    await attempts.move(first.job_id, JobState.CANCELLED, "a test")
    assert (await submitted(jobs, user, "mine")).state == "cancelled"
    assert len((await rows_of(postgres, first.job_id))["job_events"]) == 2


async def test_of_one_key_for_two_requests_at_once_one_is_taken(attempts: Attempts, jobs: Jobs, user: UUID):
    other = REQUEST.model_copy(update={"top_k": 7})
    tried = await asyncio.gather(
        *(submitted(jobs, user, "mine", request) for request in (REQUEST, other) * 3), return_exceptions=True
    )
    assert len({one.request_hash for one in tried if isinstance(one, Job)}) == 1
    assert sum(isinstance(one, Conflict) for one in tried) == 3
    assert len(await attempts.unfinished()) == 1


async def test_jobs_of_one_user_are_taken_on_one_after_the_other_and_wait_for_no_other_user(
    jobs: Jobs, user: UUID, postgres: Postgres
):
    stranger = await new_user_id(postgres)
    async with held(postgres, "SELECT FROM users WHERE user_id = $1 FOR NO KEY UPDATE", user):
        begun = await waiting(postgres, submitted(jobs, user))
        await submitted(jobs, stranger)
    await begun
