"""A lock that somebody else holds, and whether work waits for it: two connections, without a guess at how long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from candleray.databases.postgres import Postgres
from tests.support.waiting import PATIENCE_S

T = TypeVar("T")


@asynccontextmanager
async def held(postgres: Postgres, statement: str, *arguments: Any) -> AsyncIterator[None]:
    """Hold what a statement locks, by a connection of its own, until the block ends."""
    async with postgres.connection() as connection, connection.transaction():
        await connection.execute(statement, *arguments)
        yield


async def waiting(postgres: Postgres, work: Awaitable[T]) -> asyncio.Future[T]:
    """The work, begun and seen to wait for a lock of the database."""
    begun = asyncio.ensure_future(work)
    async with asyncio.timeout(PATIENCE_S), postgres.connection() as connection:
        while not await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ):
            assert not begun.done(), "it waited for nobody"
            await asyncio.sleep(0.01)
    return begun
