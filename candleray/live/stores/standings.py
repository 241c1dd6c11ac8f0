"""Standings of runs as their shards told them last; else as they are kept.

Shards tell of a user's runs every ten seconds while somebody asks for them: to tell of 10,000 runs that nobody
looks at took several times as long as the runs themselves.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from candleray.databases.postgres import Postgres
from candleray.databases.stream_reader import entries_after
from candleray.databases.valkey import StreamEntry, Valkey
from candleray.errors import CandlerayError
from candleray.live.events import EventKind
from candleray.live.standing import RECENT_S, RunStanding
from candleray.live.stores.user_streams import standings_stream
from candleray.timeframes import MINUTE_MS, Timeframe, from_ms, minutes_of, to_ms

ASKED = "strategy.metrics.v1.asked"
"""A sorted set of the users who are asked for, each by the moment in ms up to which."""
ASK_EVERY_S = 10.0
"""Between two questions for a user who is watched."""

_ASKED_FOR_S = 4 * ASK_EVERY_S
_FIRST_WITHIN_S = 1.5
"""A shard looks every second for whom it is asked."""
_MOST = 100
_NOT_TOLD = f"its runner, which has told nothing of it for {RECENT_S:.0f} s"

_STANDINGS = TypeAdapter(list[RunStanding])


def recent() -> str:
    """The id behind which the entries of a stream are recent."""
    return f"{_now_ms() - round(RECENT_S * 1000)}-0"


async def ask_for(valkey: Valkey, user_ids: Collection[UUID]) -> bool:
    """Have shards tell how these users' runs stand, for a while; True where they do so already."""
    until_ms = _now_ms() + round(_ASKED_FOR_S * 1000)
    names = [str(user_id) for user_id in user_ids]
    async with valkey.answering() as client:
        pipeline = client.pipeline(transaction=True)
        pipeline.zmscore(ASKED, names)
        pipeline.zadd(ASKED, dict.fromkeys(names, until_ms))
        before, _ = await pipeline.execute()
    return all(score is not None and score > _now_ms() for score in before)


async def asked_for(valkey: Valkey) -> set[UUID]:
    """The users who are asked for; those for whom nobody asks any more are forgotten."""
    async with valkey.answering() as client:
        pipeline = client.pipeline(transaction=False)
        pipeline.zremrangebyscore(ASKED, "-inf", _now_ms())
        pipeline.zrange(ASKED, 0, -1)
        _, names = await pipeline.execute()
    return {UUID(name.decode()) for name in names}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def standings_in(entry: StreamEntry) -> list[RunStanding]:
    return _STANDINGS.validate_json(entry.fields["standings"])


async def standings_of(valkey: Callable[[], Awaitable[Valkey]], user_id: UUID) -> dict[UUID, RunStanding]:
    """The newest standings of a user's runs, by run: of those that were told of lately, of none without Valkey."""
    try:
        return await _told(valkey, user_id)
    except CandlerayError:
        return {}


async def _told(
    valkey: Callable[[], Awaitable[Valkey]], user_id: UUID, wanted: UUID | None = None
) -> dict[UUID, RunStanding]:
    """Ask, and read what is told: where nobody has asked before, for a while, or until the wanted run is there."""
    client, stream, after = await valkey(), standings_stream(user_id), recent()
    until_s = time.monotonic() + (0.0 if await ask_for(client, [user_id]) else _FIRST_WITHIN_S)
    found: dict[UUID, RunStanding] = {}
    while True:
        left_s = until_s - time.monotonic()
        for entry in await entries_after(client, {stream: after}, _MOST, max(0.001, left_s)):
            found |= {one.run_id: one for one in standings_in(entry)}
            after = entry.entry_id
        if left_s <= 0 or wanted in found:
            return found


async def standing_of(
    valkey: Callable[[], Awaitable[Valkey]], postgres: Postgres, user_id: UUID, run_id: UUID
) -> RunStanding | None:
    """The newest standing of a run; where its runner has told none lately, the one that the database keeps."""
    try:
        told = await _told(valkey, user_id, run_id)
    except CandlerayError:
        return await kept_standing(postgres, user_id, run_id)
    return told.get(run_id) or await kept_standing(postgres, user_id, run_id, _NOT_TOLD)


async def kept_standing(
    postgres: Postgres, user_id: UUID, run_id: UUID, waits_for: str | None = None
) -> RunStanding | None:
    """The standing of a run's last session by its checkpoint and its events; None where there is no such run."""
    row = await postgres.fetch_one("kept_standing", user_id, run_id)
    if row is None:
        return None
    cash, account = row["init_cash_quote"], row["account"] or {}
    equity = account.get("equity_quote", cash)
    return RunStanding(
        run_id=run_id,
        session=row["session"],
        as_of=row["taken_until"],
        source="records",
        last_bar=_last_bar(row["taken_until"], row["timeframe"]),
        signal=row["signal"] or "none",
        equity_quote=equity,
        return_pct=100.0 * (equity / cash - 1.0),
        trades=row["trades"],
        waits_for=waits_for,
        **(_position(account) if row["kind"] == EventKind.ENTRY else {}),
    )


def _last_bar(taken_until: datetime | None, timeframe: Timeframe) -> datetime | None:
    if taken_until is None:
        return None
    bar_ms = minutes_of(timeframe) * MINUTE_MS
    return from_ms(to_ms(taken_until) // bar_ms * bar_ms - bar_ms)


def _position(entry: dict[str, Any]) -> dict[str, Any]:
    return {"side": entry["side"], "quantity": entry["quantity"], "entry_price": entry["price"]}
