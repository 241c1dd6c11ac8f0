"""Processes that are stopped or hang while they hold something of Postgres: the server hears nothing more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from candleray.databases import lease as leases
from candleray.databases import postgres as pools
from candleray.databases.lease import lease
from candleray.databases.postgres import Postgres
from candleray.errors import ServiceUnavailable
from tests.support import embedded
from tests.support.waiting import let_work_until

LOCK = "SELECT pg_advisory_xact_lock(20261130)"
KEY = 20261201


@pytest.fixture
async def stopped(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Postgres]:
    """The pool of a process that will say nothing; a second of silence counts as being stopped."""
    monkeypatch.setattr(pools, "_STOPPED_AFTER_S", 1.0)
    monkeypatch.setattr(leases, "_STOPPED_AFTER_S", 1.0)
    pool = await Postgres.open(embedded.postgres_url(), 2)
    yield pool
    await pool.close()


async def test_a_lock_of_a_transaction_is_others_soon(stopped: Postgres, postgres: Postgres) -> None:
    async def be_stopped_amid_a_transaction() -> None:
        async with stopped.connection() as its, its.transaction():
            await its.execute(LOCK)
            began_s = time.monotonic()
            async with postgres.connection() as ours, ours.transaction():
                await ours.execute(LOCK)
            assert time.monotonic() - began_s < 10
            await its.execute("SELECT 1")  # it goes on, and nothing that it did counts

    with pytest.raises(ServiceUnavailable, match="does not answer"):
        await be_stopped_amid_a_transaction()
    await stopped.ping()


async def test_a_lease_is_others_soon_and_who_held_it_hears_so(
    stopped: Postgres, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "_ASKED_EVERY_S", 3600.0)

    async def is_ours() -> bool:
        async with lease(postgres, KEY) as ours:
            return ours is not None

    async def be_stopped_as_its_holder() -> None:
        async with lease(stopped, KEY) as its:
            assert its
            await let_work_until(is_ours, what="the lease is ours", within_s=20)
            await its.require()

    with pytest.raises(ServiceUnavailable, match="the lease is lost"):
        await be_stopped_as_its_holder()
    await stopped.ping()


async def test_a_lease_of_a_living_process_stays_its_own_however_long_it_works(
    stopped: Postgres, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "_ASKED_EVERY_S", 0.1)
    async with lease(stopped, KEY) as its:
        assert its
        await asyncio.sleep(2.5)
        async with lease(postgres, KEY) as ours:
            assert ours is None
        await its.require()
