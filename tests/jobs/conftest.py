"""A store of jobs in which there are none yet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from candleray.databases.postgres import Postgres
from candleray.jobs.attempts import Attempts
from candleray.jobs.store import Jobs
from tests.support.jobs import LIMITS
from tests.support.users import new_user_id


@pytest.fixture
async def postgres(postgres_url: str) -> AsyncIterator[Postgres]:
    """The schedule is one of all users: no other test's jobs are in it."""
    store = await Postgres.open(postgres_url)
    async with store.connection() as connection:
        await connection.execute("DELETE FROM jobs")
    yield store
    await store.close()


@pytest.fixture
def jobs(postgres: Postgres) -> Jobs:
    return Jobs(postgres, LIMITS)


@pytest.fixture
def attempts(postgres: Postgres) -> Attempts:
    return Attempts(postgres, LIMITS)


@pytest.fixture
async def user(postgres: Postgres) -> UUID:
    return await new_user_id(postgres)
