"""A user's run, and an API of that user without candles."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from candleray.databases.postgres import Postgres
from candleray.identity.models import User
from tests.support.api.in_process_api import backend, serving
from tests.support.live.saved_runs import SavedRun, saved_run


@pytest.fixture
async def run(postgres: Postgres, user: User) -> SavedRun:
    """A run whose start is the user's event 1."""
    return await saved_run(postgres, user_id=user.user_id)


@pytest.fixture
async def api(postgres: Postgres, user: User) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(backend(object(), postgres), user) as client:
        yield client
