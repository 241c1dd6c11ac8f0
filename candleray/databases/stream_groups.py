"""Consumer groups of Valkey's streams, with one consumer each, that has the name of its group."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import ResponseError

from candleray.databases.stream_reader import entries_in
from candleray.databases.valkey import StreamEntry, Valkey
from candleray.errors import CandlerayError, ServiceUnavailable

_IS_THERE = "BUSYGROUP"
_IS_NOT_THERE = "NOGROUP"
_ANSWERS_WITHIN_S = 3.0
"""Beyond the time that a read waits: a server that hangs says nothing."""


class NoGroup(CandlerayError):
    """A stream or the group on it is not there: Valkey has lost it, or it never was."""


@dataclass(frozen=True)
class StreamGroup:
    valkey: Valkey
    name: str

    async def begin(self, last_ids: Mapping[str, str]) -> None:
        """Make the group on streams, each behind the entry that was taken last; where it is, nothing changes."""
        if not last_ids:
            return
        async with asyncio.timeout(_ANSWERS_WITHIN_S), self.valkey.answering() as client:
            pipeline = client.pipeline(transaction=False)
            for stream, last_id in last_ids.items():
                pipeline.xgroup_create(stream, self.name, id=last_id, mkstream=True)
            for answer in await pipeline.execute(raise_on_error=False):
                if isinstance(answer, Exception) and _IS_THERE not in str(answer):
                    raise answer

    async def new(self, streams: Sequence[str], count: int, wait_s: float) -> list[StreamEntry]:
        """Read entries that nobody has read, waiting so long for the first."""
        return await self._read(dict.fromkeys(streams, ">"), count, wait_s)

    async def pending(self, streams: Sequence[str], count: int) -> list[StreamEntry]:
        """Read entries that were read and not acknowledged; one that was trimmed since has no fields."""
        return await self._read(dict.fromkeys(streams, "0"), count, None)

    async def acknowledge(self, entries: Sequence[StreamEntry]) -> None:
        by_stream: dict[str, list[str]] = {}
        for entry in entries:
            by_stream.setdefault(entry.stream, []).append(entry.entry_id)
        if not by_stream:
            return
        async with asyncio.timeout(_ANSWERS_WITHIN_S), self.valkey.answering() as client:
            pipeline = client.pipeline(transaction=False)
            for stream, entry_ids in by_stream.items():
                pipeline.xack(stream, self.name, *entry_ids)
            await pipeline.execute()

    async def _read(self, after: Mapping[str, str], count: int, wait_s: float | None) -> list[StreamEntry]:
        """
        Raises:
            NoGroup: on one of the streams.
            ServiceUnavailable: Valkey does not answer.
        """
        ids: dict[Any, Any] = dict(after)
        block_ms = None if wait_s is None else max(1, int(wait_s * 1000))
        try:
            async with asyncio.timeout((wait_s or 0.0) + _ANSWERS_WITHIN_S), self.valkey.answering() as client:
                try:
                    told = await client.xreadgroup(self.name, self.name, ids, count=count, block=block_ms)
                except ResponseError as error:
                    if _IS_NOT_THERE in str(error):
                        raise NoGroup(f"Valkey has no group {self.name} on a stream") from error
                    raise
        except TimeoutError as error:
            raise ServiceUnavailable(f"Valkey at {self.valkey.address} does not answer") from error
        return entries_in(told)
