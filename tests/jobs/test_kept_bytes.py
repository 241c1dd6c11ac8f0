"""Bytes that the jobs of one user keep."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from candleray.databases.postgres import Postgres
from candleray.errors import GuardExceeded
from candleray.jobs.attempts import Attempts
from candleray.jobs.job import JobState
from candleray.jobs.report_blocks import REPORT_BYTES, REPORTS_PER_BLOCK, packed, unpacked
from candleray.jobs.store import Jobs
from serve_apps.examples.backtests import BACKTEST_RESULT
from tests.support.jobs import LIMITS, REQUEST, moved_to, ranked_until, result, submitted
from tests.support.users import new_user_id

MOST = 1_000_000


@pytest.fixture
async def postgres(postgres_url: str) -> AsyncIterator[Postgres]:
    store = await Postgres.open(postgres_url)
    yield store
    await store.close()


@pytest.fixture
def jobs(postgres: Postgres) -> Jobs:
    return Jobs(postgres, LIMITS.model_copy(update={"max_kept_bytes_per_user": MOST}))


async def kept(postgres: Postgres, user: UUID) -> int:
    row = await postgres.fetch_one("count_kept_bytes", user)
    assert row is not None
    return int(row["bytes"])


def test_blocks_give_back_what_was_packed_in_a_third_of_the_bytes_at_most() -> None:
    report = json.dumps(BACKTEST_RESULT["top"][0], separators=(",", ":"))
    reports = [report.replace("1", str(number % 10)) for number in range(2 * REPORTS_PER_BLOCK + 1)]
    blocks = packed(reports)
    assert [first for first, _ in blocks] == [1, REPORTS_PER_BLOCK + 1, 2 * REPORTS_PER_BLOCK + 1]
    assert list(unpacked(block for _, block in blocks)) == reports
    assert sum(len(block) for _, block in blocks) < len(report) * len(reports) / 3
    assert packed([]) == []


async def test_a_user_whose_jobs_would_keep_too_much_is_told_what_to_do(jobs: Jobs, postgres: Postgres) -> None:
    user = await new_user_id(postgres)
    large = REQUEST.model_copy(update={"top_k": MOST // REPORT_BYTES // 2})
    first = await submitted(jobs, user, request=large)
    with pytest.raises(GuardExceeded, match="at most 1000000 may be kept: delete some jobs") as told:
        await submitted(jobs, user, request=large)
    assert told.value.problems[0].field == "kept_bytes"
    await submitted(jobs, await new_user_id(postgres), request=large)
    await Attempts(postgres, LIMITS).move(first.job_id, JobState.CANCELLED, "a test")
    await submitted(jobs, user, request=large)


async def test_a_job_that_has_ended_counts_with_what_it_keeps(jobs: Jobs, postgres: Postgres) -> None:
    user = await new_user_id(postgres)
    await moved_to(postgres, user, JobState.SUCCEEDED)
    done = await kept(postgres, user)
    assert 0 < done < 20_000
    cancelled = await moved_to(postgres, user, JobState.CANCELLED)
    assert await kept(postgres, user) - done >= len(ranked_until(4).to_bytes())
    await jobs.delete(user, cancelled.job_id)
    assert await kept(postgres, user) == done


async def test_reports_that_were_kept_as_rows_are_still_read(jobs: Jobs, postgres: Postgres) -> None:
    user = await new_user_id(postgres)
    job = await moved_to(postgres, user, JobState.SUCCEEDED)
    whole = await jobs.result(user, job.job_id)
    async with postgres.connection() as connection:
        await connection.execute("DELETE FROM job_report_blocks WHERE job_id = $1", job.job_id)
        for variant in result().top:
            await connection.execute(
                "INSERT INTO job_reports VALUES ($1, $2, $3)", job.job_id, variant.rank, variant.model_dump_json()
            )
    assert await jobs.result(user, job.job_id) == whole
    assert [variant.rank for variant in await jobs.reports(job.job_id, 1)] == [1]
