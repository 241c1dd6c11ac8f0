"""Streams: a client of Valkey or Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import redis.asyncio as redis
from redis.exceptions import RedisError

from candleray.databases.urls import show, split_url
from candleray.errors import ServiceUnavailable


class Valkey:
    def __init__(self, client: redis.Redis, address: str) -> None:
        self.client = client
        self.address = address

    @classmethod
    async def open(cls, url: str) -> Valkey:
        """Connect to `redis://:password@host:6379/0`, `rediss://…` or `unix:///path/of.sock?db=0`.

        Raises:
            InvalidInput: that is no such URL.
            ServiceUnavailable: nothing answers there.
        """
        address = show(split_url(url, "redis_url", ("redis", "rediss", "unix")))
        store = cls(redis.Redis.from_url(url, socket_connect_timeout=10), address)
        try:
            await store.ping()
        except ServiceUnavailable:
            await store.close()
            raise
        return store

    async def close(self) -> None:
        await self.client.aclose()

    async def ping(self) -> None:
        """Raises `ServiceUnavailable` where it does not answer."""
        async with self.answering() as client:
            await client.ping()

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[redis.Redis]:
        """The client; what the driver raises within comes out as ours."""
        try:
            yield self.client
        except (RedisError, OSError, TimeoutError) as exc:
            what = (str(exc).splitlines() or [type(exc).__name__])[0]
            raise ServiceUnavailable(f"Valkey at {self.address}: {what[:300]}") from exc
