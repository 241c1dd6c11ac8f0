"""Attempts at a job in Postgres: what a driver tells and keeps, which count, and what is written together."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from candleray.backtests.phase import Phase
from candleray.databases.postgres import Postgres
from candleray.errors import StatementRefused
from candleray.jobs.attempts import Attempts
from candleray.jobs.job import JobState, Progress, Superseded
from candleray.jobs.report_blocks import packed
from candleray.jobs.scheduler import Scheduler
from candleray.jobs.store import Jobs
from candleray.settings import Settings
from cluster.search.job_attempt import Heart
from cluster.search.job_search import Search
from tests.support.failures import failing
from tests.support.jobs import (
    LIMITS,
    Drivers,
    change_job,
    moved_to,
    progress,
    ranked_until,
    result,
    rows_of,
)
from tests.support.locks import held, waiting
from tests.support.users import new_user_id

WORDS = Progress(Phase.STAGE_B, 5, 10, 7, 100.0, 1.5, "candles", 9.5, tasks_done=2, tasks_total=4, eta_s=3.5)


@pytest.fixture
async def job_id(user: UUID, postgres: Postgres) -> UUID:
    """Attempt of a job that runs, at its first attempt, with a checkpoint."""
    return (await moved_to(postgres, user, JobState.RUNNING)).job_id


async def row_of(postgres: Postgres, job_id: UUID) -> dict[str, Any]:
    (row,) = (await rows_of(postgres, job_id))["jobs"]
    return row


async def next_attempt(attempts: Attempts, job_id: UUID, attempt: int) -> int:
    """Its driver is lost, and another one takes it up."""
    await attempts.move(job_id, JobState.QUEUED, "its driver has ended", attempt)
    assert await attempts.take_next() == (job_id, attempt + 1)
    return attempt + 1


async def fruitless(attempts: Attempts, job_id: UUID) -> int:
    return next(job.fruitless for job in await attempts.unfinished() if job.job_id == job_id)


# What a driver tells --------------------------------------------------------------------------------------------


async def test_every_word_of_a_driver_is_kept_and_nothing_of_another_job_changes(
    attempts: Attempts, job_id: UUID, postgres: Postgres
):
    other = (await moved_to(postgres, await new_user_id(postgres), JobState.RUNNING)).job_id
    before, others = await row_of(postgres, job_id), await rows_of(postgres, other)
    assert await attempts.heartbeat(job_id, 1, WORDS) is False
    after = await row_of(postgres, job_id)
    told = {
        "phase": "stage-b",
        "done": 5,
        "total": 10,
        "variants_done": 7,
        "variants_per_s": 100.0,
        "best_total_return_pct": 1.5,
        "candles_hash": "candles",
        "expected_s": 9.5,
        "tasks_done": 2,
        "tasks_total": 4,
        "eta_s": 3.5,
    }
    assert after == {**before, **told, "heartbeat_at": after["heartbeat_at"]}
    assert after["heartbeat_at"] > before["heartbeat_at"]
    assert await rows_of(postgres, other) == others


@pytest.mark.parametrize("attempt", [0, 1, 3])
async def test_a_driver_of_another_attempt_writes_nothing(
    attempts: Attempts, jobs: Jobs, job_id: UUID, postgres: Postgres, attempt: int
):
    await next_attempt(attempts, job_id, 1)
    before = await rows_of(postgres, job_id)
    with pytest.raises(Superseded):
        await attempts.heartbeat(job_id, attempt, WORDS, ranked_until(9))
    with pytest.raises(Superseded):
        await attempts.finish(job_id, attempt, result())
    with pytest.raises(Superseded):
        await attempts.job_to_run(job_id, attempt)
    for state in JobState:
        assert not await attempts.move(job_id, state, "a test", attempt)
    await attempts.put_back(job_id, attempt, "a test")
    assert await rows_of(postgres, job_id) == before


@pytest.mark.parametrize("state", [state for state in JobState if state is not JobState.RUNNING])
async def test_a_driver_of_a_job_that_does_not_run_writes_nothing(
    attempts: Attempts, user: UUID, postgres: Postgres, state: JobState
):
    job = await moved_to(postgres, user, state)
    before = await rows_of(postgres, job.job_id)
    with pytest.raises(Superseded):
        await attempts.heartbeat(job.job_id, job.attempt, WORDS, ranked_until(9))
    with pytest.raises(Superseded):
        await attempts.finish(job.job_id, job.attempt, result())
    with pytest.raises(Superseded):
        await attempts.job_to_run(job.job_id, job.attempt)
    assert await rows_of(postgres, job.job_id) == before


async def test_a_checkpoint_replaces_the_one_before(attempts: Attempts, job_id: UUID, postgres: Postgres):
    (former,) = (await rows_of(postgres, job_id))["job_checkpoints"]
    await attempts.heartbeat(job_id, 1, progress(8), ranked_until(8))
    (kept,) = (await rows_of(postgres, job_id))["job_checkpoints"]
    assert kept["content"] == ranked_until(8).to_bytes()
    assert kept["saved_at"] > former["saved_at"]


# The row of each transition -------------------------------------------------------------------------------------

RAN = {"started_at": "first", "attempt": 1, "fruitless": 0, "partial": True, "error": None, "eta_s": None}
AT_WORK = {"phase": "stage-b", "done": 5, "variants_done": 7, "tasks_done": 2, "variants_per_s": 100.0}
WHOLE = {"phase": "done", "done": 10, "variants_done": 10, "tasks_done": 4, "variants_per_s": 100.0}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (JobState.QUEUED, {**RAN, **AT_WORK, "phase": "queued", "variants_per_s": None, "finished_at": None}),
        (JobState.SUCCEEDED, {**RAN, **WHOLE, "partial": False, "finished_at": "now"}),
        (JobState.FAILED, {**RAN, **AT_WORK, "error": "why", "finished_at": "now"}),
        (JobState.CANCELLED, {**RAN, **AT_WORK, "finished_at": "now"}),
    ],
)
async def test_a_transition_writes_what_it_means_and_leaves_the_rest(
    attempts: Attempts, job_id: UUID, postgres: Postgres, target: JobState, expected: dict[str, Any]
):
    await attempts.heartbeat(job_id, 1, WORDS)
    before = await row_of(postgres, job_id)
    await attempts.move(job_id, target, "a test", 1, "why" if target is JobState.FAILED else None)
    after = await row_of(postgres, job_id)
    times: dict[Any, datetime] = {"first": before["started_at"], "now": after["heartbeat_at"]}
    expected = {**expected, "started_at": times["first"], "finished_at": times.get(expected["finished_at"])}
    if target in (JobState.FAILED, JobState.CANCELLED):  # what it may have come to keep counts no more
        expected["kept_bytes"] = len(before["request"]) + len(ranked_until(4).to_bytes())
    assert after == {**before, **expected, "state": target.value, "heartbeat_at": after["heartbeat_at"]}
    assert after["heartbeat_at"] > before["heartbeat_at"]


async def test_a_job_taken_up_again_counts_its_attempts_from_its_first_start(
    attempts: Attempts, jobs: Jobs, job_id: UUID, postgres: Postgres
):
    first = await row_of(postgres, job_id)
    assert (first["attempt"], first["fruitless"]) == (1, 0)
    for attempt in (1, 2):
        await next_attempt(attempts, job_id, attempt)
    last = await row_of(postgres, job_id)
    assert (last["attempt"], last["fruitless"], last["started_at"]) == (3, 2, first["started_at"])
    moves = [(event.from_state, event.to_state, event.attempt) for event in await jobs.events(job_id)]
    again = [("running", "queued"), ("queued", "running")]
    assert [move[:2] for move in moves] == [(None, "queued"), ("queued", "running"), *again, *again]
    assert [move[2] for move in moves] == [0, 1, 1, 2, 2, 3]


# Which attempts count -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("done", "kept", "counts"),
    [
        (0, None, True),
        (4, None, True),  # what the checkpoint had
        (4, 4, True),  # and kept once more
        (3, 3, True),
        (9, None, True),  # said, and lost with its driver
        (5, 5, False),
    ],
)
async def test_only_what_is_kept_beyond_the_last_checkpoint_gives_a_job_its_attempts_back(
    attempts: Attempts, job_id: UUID, done: int, kept: int | None, counts: bool
):
    attempt = await next_attempt(attempts, job_id, 1)
    assert await fruitless(attempts, job_id) == 1
    await attempts.heartbeat(job_id, attempt, progress(0))
    await attempts.heartbeat(job_id, attempt, progress(done), None if kept is None else ranked_until(kept))
    assert await fruitless(attempts, job_id) == (1 if counts else 0)


async def test_a_job_that_ends_each_driver_at_its_checkpoint_is_not_tried_for_ever(
    attempts: Attempts, jobs: Jobs, job_id: UUID, user: UUID
):
    """Each attempt tells 0 variants, then those of the checkpoint that it takes up, and dies there."""
    drivers, attempt = Drivers(), 1
    scheduler = Scheduler(attempts, drivers, LIMITS)
    while (job := await jobs.get(user, job_id)).state == "running":
        assert attempt < 2 * LIMITS.max_fruitless_attempts
        request, checkpoint = await attempts.job_to_run(job_id, attempt)
        search = Search(request, checkpoint, Settings(environment="test"))
        heart = Heart(attempts, job_id, attempt, search, Settings(environment="test"))
        await heart.beat()
        search._go_on_from_checkpoint("candles")
        await heart.beat()
        assert (await jobs.get(user, job_id)).variants_done == 4
        drivers.gone[job_id, attempt] = "has ended"
        await scheduler.step()
        attempt += 1
    assert (job.state, job.attempt) == ("failed", 1 + LIMITS.max_fruitless_attempts)
    assert "without having ranked a variant" in str(job.error)


async def test_an_attempt_that_was_never_launched_counts_neither_for_nor_against(
    attempts: Attempts, jobs: Jobs, job_id: UUID, postgres: Postgres
):
    attempt = await next_attempt(attempts, job_id, 1)
    await attempts.put_back(job_id, attempt, "not launched")
    assert await fruitless(attempts, job_id) == 0
    await attempts.put_back(job_id, attempt, "not launched")  # it does not run: nothing to put back
    assert await fruitless(attempts, job_id) == 0
    assert await attempts.take_next() == (job_id, attempt + 1)
    await change_job(postgres, job_id, "fruitless = 0")
    await attempts.put_back(job_id, attempt + 1, "not launched")
    assert await fruitless(attempts, job_id) == 0


# Two writes, two connections ------------------------------------------------------------------------------------


@pytest.mark.parametrize("last", ["save_result", "save_reports", "drop_checkpoint"])
async def test_where_its_answer_cannot_be_kept_whole_a_job_still_runs(
    attempts: Attempts, jobs: Jobs, job_id: UUID, postgres: Postgres, last: str
):
    before = await rows_of(postgres, job_id)
    with failing(postgres, last):
        await attempts.finish(job_id, 1, result())
    assert await rows_of(postgres, job_id) == before
    await attempts.finish(job_id, 1, result())
    kept = await rows_of(postgres, job_id)
    assert kept["jobs"][0]["best_total_return_pct"] == -1.0 != before["jobs"][0]["best_total_return_pct"]
    assert {table: len(rows) for table, rows in kept.items()} == {
        "jobs": 1,
        "job_events": 3,
        "job_checkpoints": 0,
        "job_results": 1,
        "job_report_blocks": 1,
    }


async def test_an_answer_that_the_database_refuses_ends_no_job(
    attempts: Attempts, job_id: UUID, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
):
    before = await rows_of(postgres, job_id)
    monkeypatch.setattr("candleray.jobs.attempts.packed", lambda reports: 2 * packed(reports))
    with pytest.raises(StatementRefused):
        await attempts.finish(job_id, 1, result())
    assert await rows_of(postgres, job_id) == before


async def test_words_whose_checkpoint_cannot_be_kept_are_not_told(
    attempts: Attempts, job_id: UUID, postgres: Postgres
):
    before = await rows_of(postgres, job_id)
    with failing(postgres, "save_checkpoint"):
        await attempts.heartbeat(job_id, 1, WORDS, ranked_until(9))
    assert await rows_of(postgres, job_id) == before


async def test_a_job_that_cannot_be_put_back_whole_still_runs(
    attempts: Attempts, job_id: UUID, postgres: Postgres
):
    before = await rows_of(postgres, job_id)
    with failing(postgres, "forgive_launch"):
        await attempts.put_back(job_id, 1, "not launched")
    assert await rows_of(postgres, job_id) == before


async def test_of_two_transitions_at_once_one_is_made(
    attempts: Attempts, jobs: Jobs, job_id: UUID, postgres: Postgres
):
    async with held(postgres, "SELECT FROM jobs WHERE job_id = $1 FOR UPDATE", job_id):
        moves = [
            await waiting(postgres, attempts.move(job_id, target, "a test", 1))
            for target in (JobState.CANCELLED, JobState.FAILED, JobState.QUEUED)
        ]
        await asyncio.sleep(0.05)  # all of them
    assert sorted(await asyncio.gather(*moves)) == [False, False, True]
    assert len(await jobs.events(job_id)) == 3
