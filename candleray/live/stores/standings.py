"""Standings of runs as their shards told them last, which they do every ten seconds; else as they are kept."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
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

_MOST = 100
_AT_ONCE_S = 0.001
_NOT_TOLD = f"its runner, which has told nothing of it for {RECENT_S:.0f} s"

_STANDINGS = TypeAdapter(list[RunStanding])


def recent() -> str:
    """The id behind which the entries of a stream are recent."""
    return f"{time.time_ns() // 1_000_000 - round(RECENT_S * 1000)}-0"


def standings_in(entry: StreamEntry) -> list[RunStanding]:
    return _STANDINGS.validate_json(entry.fields["standings"])


async def standings_of(valkey: Callable[[], Awaitable[Valkey]], user_id: UUID) -> dict[UUID, RunStanding]:
    """The newest standings of a user's runs, by run: of those that were told of lately, of none without Valkey."""
    try:
        return await _told(valkey, user_id)
    except CandlerayError:
        return {}


async def _told(valkey: Callable[[], Awaitable[Valkey]], user_id: UUID) -> dict[UUID, RunStanding]:
    entries = await entries_after(await valkey(), {standings_stream(user_id): recent()}, _MOST, _AT_ONCE_S)
    return {one.run_id: one for entry in entries for one in standings_in(entry)}


async def standing_of(
    valkey: Callable[[], Awaitable[Valkey]], postgres: Postgres, user_id: UUID, run_id: UUID
) -> RunStanding | None:
    """The newest standing of a run; where its runner has told none lately, the one that the database keeps."""
    try:
        told = await _told(valkey, user_id)
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
