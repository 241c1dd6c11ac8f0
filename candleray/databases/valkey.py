"""A client of Valkey or Redis, which hold the streams."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import redis.asyncio as redis
from redis.exceptions import RedisError

from candleray.databases.urls import split_url, without_credentials
from candleray.errors import ServiceUnavailable, first_line, invalid
from candleray.network.forks import require_own


class Valkey:
    def __init__(self, client: redis.Redis, address: str) -> None:
        self.client = client
        self.address = address
        self._pid = os.getpid()

    @classmethod
    async def open(cls, url: str) -> Valkey:
        """Connect to `redis://:password@host:6379/0`, `rediss://…` or `unix:///path/of.sock?db=0`.

        Raises:
            InvalidInput: the URL is none of Valkey.
            ServiceUnavailable: nothing answers there.
        """
        address = without_credentials(split_url(url, "redis_url", ("redis", "rediss", "unix")))
        try:
            store = cls(redis.Redis.from_url(url, socket_connect_timeout=10), address)
        except (ValueError, TypeError):
            # Not its text: it may quote the URL.
            raise invalid(
                "redis_url", "bad_url", f"redis_url, at {address}: it names a database or an option that is none"
            ) from None
        try:
            await store.ping()
        except ServiceUnavailable:
            await store.close()
            raise
        return store

    async def close(self) -> None:
        await self.client.aclose()

    async def ping(self) -> None:
        """Raises ServiceUnavailable where Valkey does not answer."""
        async with self.answering() as client:
            await client.ping()

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[redis.Redis]:
        """Borrow the client; the driver's errors are raised as ours."""
        require_own(self._pid, f"the connection to Valkey at {self.address}")
        try:
            yield self.client
        except (RedisError, OSError, TimeoutError) as exc:
            raise ServiceUnavailable(f"Valkey at {self.address}: {first_line(exc)}") from exc
