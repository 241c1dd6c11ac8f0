"""Leases: work of one process at a time, held by a lock of Postgres for as long as its connection lives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from candleray.databases.postgres import Postgres
from candleray.errors import ServiceUnavailable

_ANSWERS_WITHIN_S = 10.0
_ASKED_EVERY_S = 5.0
_STOPPED_AFTER_S = 30.0
"""A holder that has not asked for so long is stopped or hangs, and loses it; its connection would live on."""


class Lease:
    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._asking = asyncio.Lock()

    async def require(self) -> None:
        """
        Raises:
            ServiceUnavailable: the connection has gone, and the lease with it.
        """
        try:
            async with self._asking, asyncio.timeout(_ANSWERS_WITHIN_S):
                await self._connection.fetchval("SELECT 1")
        except Exception as error:
            raise ServiceUnavailable("the lease is lost: its connection to Postgres has gone") from error


@asynccontextmanager
async def lease(postgres: Postgres, key: int) -> AsyncIterator[Lease | None]:
    """Hold the lease of that number within the block; None where another process has it."""
    async with postgres.connection() as connection:
        held = await connection.fetchval(postgres.statement("try_lease"), key)
        if not held:
            yield None
            return
        await connection.execute(postgres.statement("end_idle_session"), f"{_STOPPED_AFTER_S * 1000:.0f}")
        ours = Lease(connection)
        asking = asyncio.create_task(_ask_until_lost(ours))
        try:
            yield ours
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)


async def _ask_until_lost(ours: Lease) -> None:
    while True:
        await asyncio.sleep(_ASKED_EVERY_S)
        await ours.require()
