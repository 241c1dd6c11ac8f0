"""Jobs in Postgres: transitions, limits, fairness, fencing, ownership."""

from __future__ import annotations

import asyncio
import itertools
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest

from candleray.backtests.phase import Phase
from candleray.databases.postgres import Postgres
from candleray.errors import Conflict, GuardExceeded, NotFound, ServiceUnavailable
from candleray.jobs.attempts import Attempts
from candleray.jobs.checkpoint import Checkpoint
from candleray.jobs.database_clock import DatabaseClock
from candleray.jobs.job import ENDED, NEXT, JobState, Superseded
from candleray.jobs.scheduler import Scheduler
from candleray.jobs.store import Jobs
from candleray.jobs.watched import watched_jobs
from candleray.paging import PagePosition
from candleray.search.rankings import Ranking
from candleray.search.sweep import Sweep
from candleray.settings import JobSettings
from tests.support.jobs import LIMITS, REQUEST, Drivers, progress, ranked_until, silence, submitted
from tests.support.users import new_user_id

FUTURE = datetime(2100, 1, 1, tzinfo=UTC)


async def test_a_job_is_kept_with_its_request_and_its_first_event(jobs: Jobs, user: UUID):
    job = await submitted(jobs, user)
    assert (job.state, job.phase, job.attempt, job.partial) == ("queued", "queued", 0, True)
    assert (job.variants_total, job.simulations) == (10, 10)
    assert await jobs.request(user, job.job_id) == REQUEST
    assert [(event.to_state, event.cause) for event in await jobs.events(job.job_id)] == [("queued", "submitted")]


async def test_the_same_key_makes_one_job_however_many_send_it_at_once(jobs: Jobs, user: UUID):
    made = await asyncio.gather(*(submitted(jobs, user, "mine") for _ in range(8)))
    assert len({job.job_id for job in made}) == 1
    other = REQUEST.model_copy(update={"top_k": 7})
    with pytest.raises(Conflict, match="'mine' belongs to another request"):
        await submitted(jobs, user, "mine", other)


async def test_a_key_belongs_to_its_user(jobs: Jobs, user: UUID, postgres: Postgres):
    stranger = await new_user_id(postgres)
    one, other = await submitted(jobs, user, "mine"), await submitted(jobs, stranger, "mine")
    assert one.job_id != other.job_id


async def test_a_foreign_job_answers_as_an_unknown_one(jobs: Jobs, user: UUID, postgres: Postgres):
    job = await submitted(jobs, user)
    stranger = await new_user_id(postgres)
    for call in (jobs.get, jobs.request, jobs.cancel, jobs.delete, jobs.result):
        with pytest.raises(NotFound, match=f"there is no job {job.job_id}"):
            await call(stranger, job.job_id)
        with pytest.raises(NotFound, match="there is no job"):
            await call(user, uuid4())
    assert await jobs.page(stranger, None, None, 10) == []


async def test_every_transition_of_the_table_works_and_no_other_does(
    jobs: Jobs, attempts: Attempts, user: UUID, postgres: Postgres
):
    for source, target in itertools.product(JobState, JobState):
        job = await submitted(jobs, user)
        async with postgres.connection() as connection:
            await connection.execute("UPDATE jobs SET state = $2 WHERE job_id = $1", job.job_id, source.value)
        moved = await attempts.move(job.job_id, target, "a test")
        assert moved == (target in NEXT[source]), (source, target)
        after = await jobs.get(user, job.job_id)
        assert after.state == (target if moved else source)
        if moved:
            last = (await jobs.events(job.job_id))[-1]
            assert (last.from_state, last.to_state, last.cause) == (source, target, "a test")
            assert (after.finished_at is not None) == (target in ENDED)
        async with postgres.connection() as connection:
            await connection.execute("DELETE FROM jobs")


async def test_a_user_runs_so_many_and_all_together_so_many(jobs: Jobs, attempts: Attempts, postgres: Postgres):
    users = [await new_user_id(postgres) for _ in range(3)]
    first = [await submitted(jobs, users[0]) for _ in range(2)]
    others = [await submitted(jobs, user) for user in users[1:]]
    assert await attempts.take_next() == (first[0].job_id, 1)
    assert await attempts.take_next() == (others[0].job_id, 1)  # not the second of the first user
    assert await attempts.take_next() is None
    waiting = await jobs.get(users[2], others[1].job_id)
    assert waiting.waiting_for == "2 jobs run, the most at once; waiting before this one: 0"
    mine = await jobs.get(users[0], first[1].job_id)
    assert mine.waiting_for == f"your job {first[0].job_id} runs, and one user may run 1 at once"
    await attempts.move(first[0].job_id, JobState.FAILED, "a test", 1, "why")
    # The user who was never served comes before the one who just was.
    assert await attempts.take_next() == (others[1].job_id, 1)


async def test_many_schedulers_start_a_job_once(postgres_url: str, jobs: Jobs, user: UUID):
    await submitted(jobs, user)
    stores = await asyncio.gather(*(Postgres.open(postgres_url, max_connections=1) for _ in range(6)))
    taken = await asyncio.gather(*(Attempts(store, LIMITS).take_next() for store in stores))
    assert sum(one is not None for one in taken) == 1
    for store in stores:
        await store.close()


async def test_too_many_waiting_jobs_are_refused(postgres: Postgres, user: UUID):
    jobs = Jobs(postgres, JobSettings(max_queued_per_user=2))
    for _ in range(2):
        await submitted(jobs, user)
    with pytest.raises(GuardExceeded, match="2 of your jobs are waiting, at most 2 may"):
        await submitted(jobs, user)


async def test_a_driver_that_was_replaced_can_write_nothing(jobs: Jobs, attempts: Attempts, user: UUID):
    job = await submitted(jobs, user)
    assert await attempts.take_next() == (job.job_id, 1)
    assert await attempts.heartbeat(job.job_id, 1, progress()) is False
    await attempts.move(job.job_id, JobState.QUEUED, "a test", 1)
    assert await attempts.take_next() == (job.job_id, 2)
    with pytest.raises(Superseded):
        await attempts.heartbeat(job.job_id, 1, progress(9))
    with pytest.raises(Superseded):
        await attempts.job_to_run(job.job_id, 1)
    assert await attempts.move(job.job_id, JobState.CANCELLED, "too late", 1) is False
    assert (await jobs.get(user, job.job_id)).done == 5


async def test_a_checkpoint_comes_back_as_it_was_saved(jobs: Jobs, attempts: Attempts, user: UUID):
    job = await submitted(jobs, user)
    await attempts.take_next()
    sweep = Sweep(Phase.STAGE_A, 10, 3)
    sweep.add(2, 4, Ranking(np.array([2, 3]), np.array([0.1, -1e-17]), np.array([0, 4])))
    await attempts.heartbeat(
        job.job_id, 1, progress(2), Checkpoint("candles", "engine", (sweep,), {Phase.PLANES: 0.25})
    )
    request, checkpoint = await attempts.job_to_run(job.job_id, 1)
    assert request == REQUEST
    assert checkpoint is not None
    kept = checkpoint.sweep(Phase.STAGE_A)
    assert kept is not None
    assert list(kept.covered) == [(2, 4)]
    assert kept.ranking.total_return_pct.tolist() == [0.1, -1e-17]


async def test_cancelling_asks_the_driver_and_may_be_repeated(jobs: Jobs, attempts: Attempts, user: UUID):
    job = await submitted(jobs, user)
    await attempts.take_next()
    for _ in range(2):
        assert (await jobs.cancel(user, job.job_id)).cancel_requested
    assert await attempts.heartbeat(job.job_id, 1, progress()) is True
    await attempts.move(job.job_id, JobState.CANCELLED, "cancelled by its user", 1)
    cancelled = await jobs.cancel(user, job.job_id)
    assert (cancelled.state, cancelled.partial) == ("cancelled", True)


async def test_only_an_ended_job_is_deleted_and_not_cancelled(jobs: Jobs, attempts: Attempts, user: UUID):
    job = await submitted(jobs, user)
    with pytest.raises(Conflict, match="is queued: cancel it before"):
        await jobs.delete(user, job.job_id)
    await attempts.move(job.job_id, JobState.FAILED, "a test", 0, "why")
    with pytest.raises(Conflict, match="has failed and cannot be cancelled"):
        await jobs.cancel(user, job.job_id)
    await jobs.delete(user, job.job_id)
    with pytest.raises(NotFound):
        await jobs.get(user, job.job_id)


async def test_pages_are_stable_while_jobs_come(jobs: Jobs, user: UUID):
    made = [await submitted(jobs, user) for _ in range(5)]
    first = await jobs.page(user, None, None, 2)
    await submitted(jobs, user)
    rest = await jobs.page(user, None, PagePosition(first[-1].created_at, first[-1].job_id), 10)
    assert [job.job_id for job in (*first, *rest)] == [job.job_id for job in reversed(made)]


class SteadyClock:
    """Goes as time does, so many seconds back."""

    back_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() - self.back_s


class TestScheduler:
    async def test_it_starts_what_may_run(self, jobs: Jobs, attempts: Attempts, user: UUID):
        drivers, job = Drivers(), await submitted(jobs, user)
        await Scheduler(attempts, drivers, LIMITS).step()
        assert drivers.started == [(job.job_id, 1)]

    async def test_a_driver_that_has_ended_or_fallen_silent_is_replaced(
        self, jobs: Jobs, attempts: Attempts, user: UUID, postgres: Postgres
    ):
        drivers, job = Drivers(), await submitted(jobs, user)
        scheduler = Scheduler(attempts, drivers, LIMITS)
        await scheduler.step()
        drivers.gone[job.job_id, 1] = "was killed by signal 15"
        await scheduler.step()
        assert (drivers.stopped, drivers.started[-1]) == ([(job.job_id, 1)], (job.job_id, 2))
        await attempts.heartbeat(job.job_id, 2, progress())
        await silence(postgres, job.job_id, 3)
        await scheduler.step()
        assert drivers.started[-1] == (job.job_id, 3)
        causes = [event.cause for event in await jobs.events(job.job_id)]
        assert "its driver was killed by signal 15" in causes
        assert any("has said nothing for 3" in cause for cause in causes)

    @pytest.mark.parametrize("by_s", [86_400, -3600])
    async def test_a_clock_that_is_put_makes_no_living_driver_silent_and_no_dead_one_live(
        self,
        jobs: Jobs,
        attempts: Attempts,
        user: UUID,
        postgres: Postgres,
        by_s: int,
    ):
        drivers, job = Drivers(), await submitted(jobs, user)
        steady = SteadyClock()
        scheduler = Scheduler(attempts, drivers, LIMITS, DatabaseClock(steady))
        await scheduler.step()
        await attempts.heartbeat(job.job_id, 1, progress())
        await scheduler.step()
        # As if the clock had been put: the other one is put instead, and what was written before is as old.
        steady.back_s = by_s
        await silence(postgres, job.job_id, by_s)
        await scheduler.step()
        assert (drivers.stopped, drivers.started) == ([], [(job.job_id, 1)])
        (seen,) = await attempts.unfinished()
        assert 0 <= seen.silent_s < 60
        await silence(postgres, job.job_id, 7)
        await scheduler.step()
        assert drivers.started == [(job.job_id, 1), (job.job_id, 2)]

    async def test_a_database_that_fails_while_silence_is_counted_anew_costs_no_living_driver(
        self, jobs: Jobs, attempts: Attempts, user: UUID, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
    ):
        drivers, job = Drivers(), await submitted(jobs, user)
        steady = SteadyClock()
        clock = DatabaseClock(steady)
        scheduler = Scheduler(attempts, drivers, LIMITS, clock)
        await scheduler.step()
        await attempts.heartbeat(job.job_id, 1, progress())
        await scheduler.step()
        steady.back_s = 86_400
        await silence(postgres, job.job_id, 86_400)

        async def away() -> None:
            raise ServiceUnavailable("Postgres does not answer")

        with monkeypatch.context() as patch:
            patch.setattr(attempts, "count_silence_anew", away)
            with pytest.raises(ServiceUnavailable):
                await scheduler.step()
        # The actor opens Postgres anew after that, and makes another scheduler.
        await Scheduler(attempts, drivers, LIMITS, clock).step()
        assert (drivers.stopped, drivers.started) == ([], [(job.job_id, 1)])

    async def test_a_driver_that_speaks_lives(
        self, jobs: Jobs, attempts: Attempts, user: UUID, postgres: Postgres
    ):
        drivers, job = Drivers(), await submitted(jobs, user)
        scheduler = Scheduler(attempts, drivers, LIMITS)
        await scheduler.step()
        for _ in range(3):
            await silence(postgres, job.job_id, 3)
            await attempts.heartbeat(job.job_id, 1, progress())
            await scheduler.step()
        assert drivers.started == [(job.job_id, 1)]

    async def test_a_driver_that_speaks_while_ray_is_asked_lives(
        self, jobs: Jobs, attempts: Attempts, user: UUID, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
    ):
        drivers, job = Drivers(), await submitted(jobs, user)
        scheduler = Scheduler(attempts, drivers, LIMITS)
        await scheduler.step()
        await attempts.heartbeat(job.job_id, 1, progress())

        async def ended() -> dict[tuple[UUID, int], str]:
            await attempts.heartbeat(job.job_id, 1, progress())
            return {}

        monkeypatch.setattr(drivers, "ended", ended)
        await silence(postgres, job.job_id, 3)
        await scheduler.step()
        assert (drivers.stopped, drivers.started) == ([], [(job.job_id, 1)])

    async def test_the_next_driver_has_as_long_as_the_first_one_to_its_first_word(
        self, jobs: Jobs, attempts: Attempts, user: UUID, postgres: Postgres
    ):
        drivers, job = Drivers(), await submitted(jobs, user)
        scheduler = Scheduler(attempts, drivers, LIMITS)
        await scheduler.step()
        await attempts.heartbeat(job.job_id, 1, progress())
        await silence(postgres, job.job_id, 1000)
        await scheduler.step()
        assert drivers.started == [(job.job_id, 1), (job.job_id, 2)]
        (seen,) = await attempts.unfinished()
        assert (seen.is_launching, seen.silent_s < 60) == (True, True)
        await silence(postgres, job.job_id, 89)
        await scheduler.step()
        assert len(drivers.started) == 2
        await silence(postgres, job.job_id, 91)
        await scheduler.step()
        assert drivers.started[2:] == [(job.job_id, 3)]

    async def test_a_driver_that_has_not_spoken_yet_gets_more_time(
        self, jobs: Jobs, attempts: Attempts, user: UUID, postgres: Postgres
    ):
        drivers, job = Drivers(), await submitted(jobs, user)
        scheduler = Scheduler(attempts, drivers, LIMITS)
        await scheduler.step()
        await silence(postgres, job.job_id, 20)
        await scheduler.step()
        assert drivers.started == [(job.job_id, 1)]

    async def test_a_job_that_only_kills_its_drivers_fails(self, jobs: Jobs, attempts: Attempts, user: UUID):
        drivers, job = Drivers(), await submitted(jobs, user)
        scheduler = Scheduler(attempts, drivers, LIMITS)
        for attempt in range(1, 4):
            await scheduler.step()
            drivers.gone[job.job_id, attempt] = "has ended"
        await scheduler.step()
        failed = await jobs.get(user, job.job_id)
        assert failed.state == "failed"
        assert "3 drivers in a row ended without having ranked a variant" in str(failed.error)

    async def test_keeping_something_new_gives_a_job_its_attempts_back(
        self, jobs: Jobs, attempts: Attempts, user: UUID
    ):
        drivers, job = Drivers(), await submitted(jobs, user)
        scheduler = Scheduler(attempts, drivers, LIMITS)
        for attempt in range(1, 8):
            await scheduler.step()
            await attempts.heartbeat(job.job_id, attempt, progress(attempt), ranked_until(attempt))
            drivers.gone[job.job_id, attempt] = "has ended"
        await scheduler.step()
        assert (await jobs.get(user, job.job_id)).state == "running"

    @pytest.mark.parametrize("kind", ["the same checkpoint", "none, and the same again", "no checkpoint"])
    async def test_drivers_that_end_without_keeping_anything_new_are_not_replaced_for_ever(
        self, jobs: Jobs, attempts: Attempts, user: UUID, kind: str
    ):
        """Such a job kills its driver a second after it has gone on from the checkpoint."""
        drivers, job = Drivers(), await submitted(jobs, user)
        scheduler = Scheduler(attempts, drivers, LIMITS)
        await scheduler.step()
        await attempts.heartbeat(job.job_id, 1, progress(5), ranked_until(5))
        drivers.gone[job.job_id, 1] = "has ended"
        for attempt in range(2, 5):
            await scheduler.step()
            if kind != "the same checkpoint":
                await attempts.heartbeat(job.job_id, attempt, progress(0))
            if kind != "no checkpoint":
                await attempts.heartbeat(job.job_id, attempt, progress(5), ranked_until(5))
            await attempts.heartbeat(job.job_id, attempt, progress(5 + attempt))
            drivers.gone[job.job_id, attempt] = "has ended"
        await scheduler.step()
        assert (await jobs.get(user, job.job_id)).state == "failed"

    async def test_a_search_that_starts_over_is_given_its_attempts_too(
        self, jobs: Jobs, attempts: Attempts, user: UUID
    ):
        """Other candles than before: what is kept is less than before, and grows."""
        drivers, job = Drivers(), await submitted(jobs, user)
        scheduler = Scheduler(attempts, drivers, LIMITS)
        await scheduler.step()
        await attempts.heartbeat(job.job_id, 1, progress(9), ranked_until(9))
        await attempts.move(job.job_id, JobState.QUEUED, "a test", 1)
        await scheduler.step()
        for done in (1, 2):
            await attempts.heartbeat(job.job_id, 2, progress(done), ranked_until(done))
        (seen,) = await attempts.unfinished()
        assert seen.fruitless == 0

    async def test_a_cancelled_job_without_a_driver_ends(self, jobs: Jobs, attempts: Attempts, user: UUID):
        drivers = Drivers()
        scheduler = Scheduler(attempts, drivers, LIMITS)
        running, waiting = await submitted(jobs, user), await submitted(jobs, user)
        await scheduler.step()
        await jobs.cancel(user, waiting.job_id)
        await jobs.cancel(user, running.job_id)
        drivers.gone[running.job_id, 1] = "has ended"
        await scheduler.step()
        for job in (running, waiting):
            assert (await jobs.get(user, job.job_id)).state == "cancelled"

    async def test_where_nothing_can_be_started_the_job_waits(self, jobs: Jobs, attempts: Attempts, user: UUID):
        drivers, job = Drivers(), await submitted(jobs, user)
        drivers.refuses = True
        scheduler = Scheduler(attempts, drivers, LIMITS)
        for _ in range(LIMITS.max_fruitless_attempts + 1):
            with pytest.raises(ServiceUnavailable):
                await scheduler.step()
            assert (await jobs.get(user, job.job_id)).state == "queued"
        drivers.refuses = False
        await scheduler.step()
        attempt = LIMITS.max_fruitless_attempts + 2
        assert drivers.started == [(job.job_id, attempt)]
        drivers.gone[job.job_id, attempt] = "has ended"
        await scheduler.step()
        assert (await jobs.get(user, job.job_id)).state == "running"  # what was never launched does not count

    async def test_old_jobs_are_forgotten(self, jobs: Jobs, attempts: Attempts, user: UUID, postgres: Postgres):
        old, new = await submitted(jobs, user), await submitted(jobs, user)
        for job in (old, new):
            await attempts.move(job.job_id, JobState.FAILED, "a test", 0, "why")
        async with postgres.connection() as connection:
            await connection.execute(
                "UPDATE jobs SET finished_at = now() - interval '31 days' WHERE job_id = $1", old.job_id
            )
        await Scheduler(attempts, Drivers(), LIMITS).forget_old()
        assert [job.job_id for job in await jobs.page(user, None, None, 10)] == [new.job_id]


async def test_an_end_whose_transaction_began_earlier_is_measured_too(
    jobs: Jobs, attempts: Attempts, user: UUID, postgres: Postgres
):
    """An end that waited for a lock bears a time before that of an end which was measured already."""
    job = await submitted(jobs, user)
    await attempts.take_next()
    (running,) = [one for one in await watched_jobs(postgres, FUTURE, []) if one.job_id == job.job_id]
    assert running.finished_at is None
    await attempts.move(job.job_id, JobState.CANCELLED, "cancelled", 1)
    assert job.job_id not in {one.job_id for one in await watched_jobs(postgres, FUTURE, [])}
    (ended,) = await watched_jobs(postgres, FUTURE, [job.job_id])
    assert ended.finished_at is not None


def test_the_table_of_transitions_has_every_state_and_an_end() -> None:
    assert set(NEXT) == set(JobState)
    assert {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED} == ENDED
    found: Any = {target for following in NEXT.values() for target in following}
    assert found == set(JobState)
