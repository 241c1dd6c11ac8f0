"""Standings of runs as they were told last. Each shard tells of its own runs, every ten seconds."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from uuid import UUID

from pydantic import TypeAdapter

from candleray.databases.stream_reader import entries_after
from candleray.databases.valkey import StreamEntry, Valkey
from candleray.errors import CandlerayError
from candleray.live.standing import RECENT_S, RunStanding
from candleray.live.user_streams import standings_stream

_MOST = 100
_AT_ONCE_S = 0.001

_STANDINGS = TypeAdapter(list[RunStanding])


def recent() -> str:
    """The id behind which the entries of a stream are recent."""
    return f"{time.time_ns() // 1_000_000 - round(RECENT_S * 1000)}-0"


def standings_in(entry: StreamEntry) -> list[RunStanding]:
    return _STANDINGS.validate_json(entry.fields["standings"])


async def standings_of(valkey: Callable[[], Awaitable[Valkey]], user_id: UUID) -> dict[UUID, RunStanding]:
    """The newest standings of a user's runs, by run: of those that were told of lately, of none without Valkey."""
    try:
        entries = await entries_after(await valkey(), {standings_stream(user_id): recent()}, _MOST, _AT_ONCE_S)
    except CandlerayError:
        return {}
    return {one.run_id: one for entry in entries for one in standings_in(entry)}
