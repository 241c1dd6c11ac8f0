"""A run whose candles a test brings, and the API that certifies it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from candleray.databases.postgres import Postgres
from candleray.identity.models import User
from candleray.market_data.candle_store import CandleStore
from tests.support.api.in_process_api import backend, serving
from tests.support.live.certified_runs import CertifiedRun


@pytest.fixture
async def started(embedded_store: CandleStore, postgres: Postgres, user: User) -> CertifiedRun:
    """A run that has its warm-up and no bar yet."""
    made = CertifiedRun(embedded_store, postgres)
    made.come(0, [10, 10, 10])
    await made.start(user.user_id)
    return made


@pytest.fixture
async def api(started: CertifiedRun, postgres: Postgres, user: User) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(replace(backend(object(), postgres), candles=started.candles), user) as client:
        yield client
