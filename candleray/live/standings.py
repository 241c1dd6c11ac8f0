"""Standings of runs as they were told last. Each shard tells of its own runs, every ten seconds."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from uuid import UUID

from pydantic import TypeAdapter

from candleray.databases.stream_reader import entries_after
from candleray.databases.valkey import StreamEntry, Valkey
from candleray.errors import CandlerayError
from candleray.live.standing import RunStanding
from candleray.live.user_streams import standings_stream

RECENT_MS = 35_000
"""Older standings are of runs that nobody runs any more: a run's shard tells of it three times within this."""
_MOST = 100
_AT_ONCE_S = 0.001

_STANDINGS = TypeAdapter(list[RunStanding])


def recent() -> str:
    """The id behind which the entries of a stream are recent."""
    return f"{time.time_ns() // 1_000_000 - RECENT_MS}-0"


def standings_in(entry: StreamEntry) -> list[RunStanding]:
    return _STANDINGS.validate_json(entry.fields["standings"])


async def standing_of(valkey: Callable[[], Awaitable[Valkey]], user_id: UUID, run_id: UUID) -> RunStanding | None:
    """The newest standing of a run; None where it was not told of lately, or where Valkey does not answer."""
    try:
        entries = await entries_after(await valkey(), {standings_stream(user_id): recent()}, _MOST, _AT_ONCE_S)
    except CandlerayError:
        return None
    told = [one for entry in reversed(entries) for one in standings_in(entry) if one.run_id == run_id]
    return told[0] if told else None
