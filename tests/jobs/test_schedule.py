"""The order in which jobs run, the number at once, and the scheduler's view of them."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from uuid import UUID

import pytest

from candleray.databases.postgres import Postgres
from candleray.jobs.attempts import Attempts
from candleray.jobs.job import ENDED, JobState
from candleray.jobs.store import Jobs
from candleray.jobs.watched import database_now, watched_jobs
from candleray.search.estimate import Pace
from candleray.settings import JobSettings
from tests.support.failures import failing
from tests.support.jobs import change_job, moved_to, progress, result, rows_of, silence, submitted
from tests.support.locks import held, waiting
from tests.support.users import new_user_id


@pytest.mark.parametrize(("most", "most_per_user"), [(1, 1), (2, 1), (2, 2), (3, 2)])
async def test_however_many_schedulers_there_are_no_more_run_than_may(
    jobs: Jobs, postgres: Postgres, most: int, most_per_user: int
):
    attempts = Attempts(postgres, JobSettings(max_running=most, max_running_per_user=most_per_user))
    users = [await new_user_id(postgres) for _ in range(3)]
    for user in users * 3:
        await submitted(jobs, user)
    started: list[tuple[UUID, int]] = []
    while True:
        taken = [one for one in await asyncio.gather(*(attempts.take_next() for _ in range(8))) if one]
        async with postgres.connection() as connection:
            rows = await connection.fetch("SELECT user_id, job_id FROM jobs WHERE state = 'running'")
        by_user = Counter(row["user_id"] for row in rows)
        assert len(rows) <= most
        assert not by_user or max(by_user.values()) <= most_per_user
        if not rows:
            break
        started += taken
        await attempts.move(rows[0]["job_id"], JobState.CANCELLED, "a test", 1)
    assert len(started) == len(set(started)) == 9


async def test_schedulers_take_turns(attempts: Attempts, jobs: Jobs, user: UUID, postgres: Postgres):
    job = await submitted(jobs, user)
    async with held(postgres, "SELECT pg_advisory_xact_lock(226353730)"):
        begun = await waiting(postgres, attempts.take_next())
    assert await begun == (job.job_id, 1)


async def test_a_turn_that_fails_half_way_starts_nothing_and_lets_the_next_one_go_on(
    attempts: Attempts, jobs: Jobs, user: UUID, postgres: Postgres
):
    job = await submitted(jobs, user)
    with failing(postgres, "move_job"):
        await attempts.take_next()
    assert await attempts.take_next() == (job.job_id, 1)


async def test_what_ran_before_goes_first_then_who_runs_least_then_who_was_served_longest_ago_then_the_oldest(
    jobs: Jobs, postgres: Postgres
):
    attempts = Attempts(postgres, JobSettings(max_running=100, max_running_per_user=3))
    early, late, new, busy = [await new_user_id(postgres) for _ in range(4)]
    for user, ago in ((early, "2 hours"), (late, "1 hour"), (busy, "3 hours")):
        served = await moved_to(postgres, user, JobState.CANCELLED)
        await change_job(postgres, served.job_id, f"started_at = now() - interval '{ago}'")
    running = await moved_to(postgres, busy, JobState.RUNNING)
    await change_job(postgres, running.job_id, "started_at = now() - interval '3 hours'")
    names: dict[UUID, str] = {}

    async def queue(name: str, user: UUID, columns: str = "phase = phase") -> None:
        job = await submitted(jobs, user)
        names[job.job_id] = name
        await change_job(postgres, job.job_id, columns)

    await queue("busy", busy)
    await queue("late", late)
    await queue("early, its second", early)
    await queue("early, its first", early, "created_at = created_at - interval '1 minute'")
    await queue("new", new)
    await queue("late, interrupted", late, "started_at = now() - interval '30 minutes'")
    order = []
    while taken := await attempts.take_next():
        order.append(names[taken[0]])
        # What was just started must not decide about the others.
        await change_job(postgres, taken[0], "state = 'cancelled', started_at = NULL")
    assert order == ["late, interrupted", "new", "early, its first", "early, its second", "late", "busy"]


@pytest.mark.parametrize("seed", range(6))
async def test_a_job_is_told_the_place_that_the_scheduler_gives_it(jobs: Jobs, postgres: Postgres, seed: int):
    draw = random.Random(seed)
    users = [await new_user_id(postgres) for _ in range(4)]
    for user in users:
        for _ in range(draw.randrange(3)):
            served = await moved_to(postgres, user, draw.choice([JobState.RUNNING, JobState.SUCCEEDED]))
            await change_job(
                postgres, served.job_id, f"started_at = now() - interval '{draw.randrange(1, 99)} hours'"
            )
    for user in draw.choices(users, k=12):
        job = await submitted(jobs, user)
        if draw.random() < 0.3:
            ran = f"started_at = now() - interval '{draw.randrange(1, 99)} minutes'"
            await change_job(postgres, job.job_id, ran)
    places = {}
    full = Jobs(postgres, JobSettings(max_running=1, max_running_per_user=99))
    await moved_to(postgres, await new_user_id(postgres), JobState.RUNNING)
    for user in users:
        for job in await full.page(user, [JobState.QUEUED], None, 99):
            places[job.job_id] = int(str(job.waiting_for).rpartition(": ")[2])
    attempts = Attempts(postgres, JobSettings(max_running=999, max_running_per_user=99))
    order = []
    while taken := await attempts.take_next():
        order.append(taken[0])
    assert [places[job_id] for job_id in order] == list(range(12))


async def test_the_scheduler_sees_what_has_not_ended_the_oldest_first_and_how_long_each_is_silent(
    attempts: Attempts, user: UUID, postgres: Postgres
):
    made = {state: await moved_to(postgres, user, state) for state in JobState}
    await change_job(postgres, made[JobState.RUNNING].job_id, "created_at = now() - interval '1 day'")
    await silence(postgres, made[JobState.RUNNING].job_id, 40)
    seen = await attempts.unfinished()
    assert [job.job_id for job in seen] == [made[JobState.RUNNING].job_id, made[JobState.QUEUED].job_id]
    running, queued = seen
    assert (running.state, running.attempt, running.phase, running.is_launching) == (
        "running",
        1,
        "stage-a",
        False,
    )
    assert running.silent_s == pytest.approx(40, abs=5)
    assert (queued.state, queued.attempt, queued.is_launching) == ("queued", 0, True)
    assert await attempts.count_by_state() == {state.value: 1 for state in JobState}


async def test_only_what_has_ended_long_ago_is_forgotten(jobs: Jobs, postgres: Postgres, user: UUID):
    attempts = Attempts(postgres, JobSettings(keep_days=30))
    made = {state: await moved_to(postgres, user, state) for state in JobState}
    for job in made.values():
        await change_job(
            postgres,
            job.job_id,
            "created_at = now() - interval '1 year', finished_at = finished_at - interval '29.99 days'",
        )
    assert await attempts.delete_old() == []
    for job in made.values():
        await change_job(postgres, job.job_id, "finished_at = finished_at - interval '0.02 days'")
    assert set(await attempts.delete_old()) == {made[state].job_id for state in ENDED}
    assert not any((await rows_of(postgres, made[JobState.SUCCEEDED].job_id)).values())
    assert len(await jobs.page(user, None, None, 10)) == 2


async def test_what_runs_is_watched_and_what_has_ended_since_in_the_order_of_the_ends(
    user: UUID, postgres: Postgres
):
    made = {state: await moved_to(postgres, user, state) for state in JobState}
    now = await database_now(postgres)
    for state, ago_s in ((JobState.SUCCEEDED, 10), (JobState.FAILED, 30), (JobState.CANCELLED, 20)):
        await change_job(
            postgres, made[state].job_id, "finished_at = $2::timestamptz - make_interval(secs => $3)", now, ago_s
        )
    async with postgres.connection() as connection:
        await connection.execute("UPDATE job_checkpoints SET saved_at = now() - interval '5 seconds'")
        since = await connection.fetchval("SELECT $1::timestamptz - interval '25 seconds'", now)
    seen = await watched_jobs(postgres, since, [])
    ended_since = [JobState.CANCELLED, JobState.SUCCEEDED]
    assert [job.job_id for job in seen] == [made[state].job_id for state in (JobState.RUNNING, *ended_since)]
    running, _, succeeded = seen
    assert (running.variants_done, running.variants_per_s, running.finished_at) == (4, 100.0, None)
    assert running.checkpoint_age_s == pytest.approx(5, abs=2)
    assert succeeded.phase_s == {"candles": 0.5, "stage-a": 1.0}
    also = await watched_jobs(postgres, since, [made[JobState.FAILED].job_id])
    assert made[JobState.FAILED].job_id in {job.job_id for job in also}


async def test_the_pace_is_the_median_of_the_newest_that_succeeded_at_once_and_were_expected(
    attempts: Attempts, jobs: Jobs, user: UUID, postgres: Postgres
):
    async def succeeded(
        took_s: float, search_s: float, expected_s: float | None, columns: str = "attempt = 1", days_ago: int = 0
    ) -> None:
        job = await moved_to(postgres, user, JobState.RUNNING)
        await attempts.heartbeat(job.job_id, 1, progress())
        await attempts.finish(job.job_id, 1, result(search_s=search_s))
        await change_job(
            postgres,
            job.job_id,
            "finished_at = now() - make_interval(days => $4), expected_s = $3, "
            f"started_at = now() - make_interval(days => $4, secs => $2), {columns}",
            took_s,
            expected_s,
            days_ago,
        )

    assert await jobs.pace() == Pace()
    for _ in range(3):
        await succeeded(90.0, 1.0, 1.0, days_ago=1)  # older than the newest twenty
    for _ in range(7):
        await succeeded(5.0, 3.0, 2.0)
        await succeeded(4.0, 3.0, 1.0)
    for _ in range(6):
        await succeeded(1.0, 3.0, 0.25)  # too short to learn a stretch from, and fixed costs are none below 0
    for columns in ("attempt = 2", "state = 'failed'"):
        await succeeded(1000.0, 1.0, 1.0, columns)
    for expected_s in (None, 0.0):
        await succeeded(1000.0, 1.0, expected_s)
    assert await jobs.pace() == Pace(fixed_s=1.0, stretch=2.25)
