"""A client of Valkey or Redis, which hold the streams."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

import redis.asyncio as redis
from redis.exceptions import RedisError

from candleray.databases.cancellation import heeding_cancellation
from candleray.databases.urls import split_url, without_credentials
from candleray.errors import ServiceUnavailable, first_line, invalid
from candleray.network.forks import require_own

_OLDER = "equal or smaller than the target stream top item"
"""Words of the server for an id that is not above the last one."""
_STREAMS_AT_ONCE = 250
"""Streams that one script appends to: some 2 ms, in which the server does nothing else."""
_APPEND_NUMBERED = f"""
local field, most, place, behind = ARGV[1], ARGV[2], 3, {{}}
for at, stream in ipairs(KEYS) do
    local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
    local number = last and tonumber(string.match(last[1], '^%d+'))
    local count = tonumber(ARGV[place])
    if number and tonumber(ARGV[place + 1]) > number + 1 then
        behind[#behind + 1] = at
    else
        for entry = place + 1, place + 2 * count, 2 do
            local id = ARGV[entry] .. '-0'
            local told = redis.pcall('XADD', stream, 'MAXLEN', '~', most, id, field, ARGV[entry + 1])
            if type(told) == 'table' and told.err and not string.find(told.err, '{_OLDER}', 1, true) then
                return told
            end
        end
    end
    place = place + 1 + 2 * count
end
return behind
"""
"""One command for many streams: as a pipeline the replies of 2,600 appended entries took a second to read."""
_ANSWERS_WITHIN_S = 15.0
"""A server behind a broken network says nothing at all, for as long as one waits."""


@dataclass(frozen=True)
class StreamEntry:
    stream: str
    entry_id: str
    fields: Mapping[str, str]


class Valkey:
    def __init__(self, client: redis.Redis, address: str) -> None:
        self.client = client
        self.address = address
        self._pid = os.getpid()
        self._is_open = True

    @classmethod
    async def open(cls, url: str) -> Valkey:
        """Connect to `redis://:password@host:6379/0`, `rediss://…` or `unix:///path/of.sock?db=0`.

        Raises:
            InvalidInput: the URL is none of Valkey.
            ServiceUnavailable: nothing answers there.
        """
        address = without_credentials(split_url(url, "redis_url", ("redis", "rediss", "unix")))
        try:
            client = redis.Redis.from_url(url, socket_connect_timeout=10, socket_timeout=_ANSWERS_WITHIN_S)
            store = cls(client, address)
        except (ValueError, TypeError):
            # Not its text: it may quote the URL.
            raise invalid(
                "redis_url", "bad_url", f"redis_url, at {address}: it names a database or an option that is none"
            ) from None
        try:
            await store.ping()
        except BaseException:  # who is cancelled meanwhile leaves nothing open
            await store.close()
            raise
        return store

    async def close(self) -> None:
        """End all connections; whoever still asks for something ends what the driver connects for that anew."""
        self._is_open = False
        await self.client.aclose()

    async def eviction_policy(self) -> str:
        """Ask the server for what it does when it is full; nothing where it does not tell."""
        try:
            told = await self.client.config_get("maxmemory-policy")
        except RedisError:  # a hosted one may not let anybody ask
            return ""
        return str(next(iter(told.values()), ""))

    async def ping(self) -> None:
        """Raises ServiceUnavailable where Valkey does not answer."""
        async with self.answering() as client:
            await client.ping()

    async def append(self, entries: Sequence[StreamEntry], keep_from: str, *, begins: bool = False) -> bool:
        """Append all entries, or none, with ids of their own to their streams, and trim these to `keep_from`.

        The server refuses an id that is not above the stream's last: a minute twice, or an older one, stays out.

        Args:
            begins: streams that are not there are made.

        Returns:
            False where an entry is in no stream, because that is not there.

        Raises:
            ServiceUnavailable: Valkey does not answer or has no room; entries may have been appended.
        """
        async with self.answering() as client:
            # At once: where there is no room for one entry, no newer one may enter before it.
            pipeline = client.pipeline(transaction=True)
            for entry in entries:
                fields: dict[Any, Any] = dict(entry.fields)
                pipeline.xadd(entry.stream, fields, id=entry.entry_id, minid=keep_from, nomkstream=not begins)
            answers = await pipeline.execute(raise_on_error=False)
            for answer in answers:
                if isinstance(answer, Exception) and _OLDER not in str(answer):
                    raise answer
            return all(answer is not None for answer in answers)

    async def append_capped(self, entries: Sequence[StreamEntry], most: int) -> None:
        """Append entries to streams that keep about so many; an id that is not above the last one changes nothing.

        Raises:
            ServiceUnavailable: Valkey does not answer or has no room; entries may have been appended.
        """
        async with self.answering() as client:
            pipeline = client.pipeline(transaction=False)
            for entry in entries:
                fields: dict[Any, Any] = dict(entry.fields)
                pipeline.xadd(entry.stream, fields, id=entry.entry_id, maxlen=most)
            for answer in await pipeline.execute(raise_on_error=False):
                if isinstance(answer, Exception) and _OLDER not in str(answer):
                    raise answer

    async def append_numbered(self, streams: Mapping[str, Mapping[int, str]], field: str, most: int) -> list[str]:
        """Append numbered entries of one field to streams that keep about so many.

        A number that is not above the stream's last one changes nothing. A stream that is not there begins with
        the first number given.

        Args:
            streams: by stream the texts by their numbers, which ascend.

        Returns:
            The streams whose last number is further back than the one before the first given: nothing was appended
            to these.

        Raises:
            ServiceUnavailable: Valkey does not answer or has no room; entries may have been appended.
        """
        behind: list[str] = []
        names = list(streams)
        async with self.answering() as client:
            append = client.register_script(_APPEND_NUMBERED)
            for start in range(0, len(names), _STREAMS_AT_ONCE):
                part = names[start : start + _STREAMS_AT_ONCE]
                arguments: list[Any] = [field, most]
                for name in part:
                    arguments += (len(streams[name]), *chain.from_iterable(streams[name].items()))
                behind += [part[place - 1] for place in await append(keys=part, args=arguments)]
        return behind

    async def last_ids(self, streams: Sequence[str]) -> list[str | None]:
        """The id of the last entry of each stream, None where there is none."""
        async with self.answering() as client:
            pipeline = client.pipeline(transaction=False)
            for stream in streams:
                pipeline.xrevrange(stream, count=1)
            return [_id_of(entries) for entries in await pipeline.execute()]

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[redis.Redis]:
        """Borrow the client; the driver's errors are raised as ours.

        Raises:
            ServiceUnavailable: Valkey does not answer, or this client is closed.
        """
        require_own(self._pid, f"the connection to Valkey at {self.address}")
        try:
            async with heeding_cancellation(), self._connecting() as client:
                yield client
        except (RedisError, OSError, TimeoutError) as exc:
            raise ServiceUnavailable(f"Valkey at {self.address}: {first_line(exc)}") from exc

    @asynccontextmanager
    async def _connecting(self) -> AsyncIterator[redis.Redis]:
        if self._was_closed():
            raise ServiceUnavailable(f"Valkey at {self.address}: this client is closed")
        try:
            yield self.client
        finally:
            # The driver connects again where it was cut off: also by `close`, while somebody waits for an answer.
            if self._was_closed():
                await self.client.connection_pool.disconnect()

    def _was_closed(self) -> bool:
        return not self._is_open


def _id_of(entries: Any) -> str | None:
    if not entries:
        return None
    entry_id = entries[0][0]
    return entry_id.decode() if isinstance(entry_id, bytes) else str(entry_id)
