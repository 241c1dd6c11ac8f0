"""Holdouts in Postgres, each its user's own; Postgres itself refuses a second look."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from candleray.databases.postgres import Postgres
from candleray.errors import Conflict, NotFound
from candleray.holdouts.holdout import Holdout, HoldoutResult
from candleray.markets import Instrument
from candleray.timeframes import TimeRange, iso

MOST_SEALED = 100
"""Sealed holdouts of one user: each of them is looked at by every search."""

_RESULTS = TypeAdapter(tuple[HoldoutResult, ...])


class Holdouts:
    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def seal(self, user_id: UUID, instrument: Instrument, span: TimeRange) -> Holdout:
        """Seal candles of a symbol, on whatever market; those that are sealed already stay as they are.

        Raises:
            Conflict: they were opened before, a job of the user may still read them, or too many are sealed.
        """
        place = (instrument.symbol, span.start, span.end)
        async with self._postgres.transaction() as transaction:
            await transaction.fetch("lock_user", user_id)
            known = await transaction.fetch_one("holdout_of_range", user_id, *place)
            if known is not None:
                return _still_sealed(_holdout(known))
            job = await transaction.fetch_one("unfinished_jobs_over", user_id, instrument.symbol, span.start)
            if job is not None:
                raise Conflict(
                    f"your job {job['job_id']} may still read {instrument.symbol} after {iso(span.start_ms)}: "
                    "wait for its end, or cancel it, before these candles are sealed"
                )
            counted = await transaction.fetch_one("count_sealed", user_id)
            if counted and counted["holdouts"] >= MOST_SEALED:
                raise Conflict(f"{MOST_SEALED} holdouts of yours are sealed, the most at once: open one")
            row = await transaction.fetch_one("seal_holdout", user_id, instrument.market_id, *place)
        assert row is not None  # nobody else seals for this user meanwhile
        return _holdout(row)

    async def sealed(self, user_id: UUID) -> list[Holdout]:
        """The sealed ones, whose candles may not be read."""
        return [_holdout(row) for row in await self._postgres.fetch("sealed_holdouts", user_id)]

    async def all(self, user_id: UUID) -> tuple[Holdout, ...]:
        """The newest first."""
        return tuple(_holdout(row) for row in await self._postgres.fetch("list_holdouts", user_id))

    async def get(self, user_id: UUID, holdout_id: UUID) -> Holdout:
        """Raises NotFound where this user has no such holdout."""
        row = await self._postgres.fetch_one("get_holdout", user_id, holdout_id)
        if row is None:
            raise NotFound(f"there is no holdout {holdout_id}")
        return _holdout(row)

    async def of_strategy(self, user_id: UUID, strategy_id: UUID) -> tuple[Holdout, ...]:
        """The holdouts that were opened for a strategy, the first first."""
        rows = await self._postgres.fetch("holdouts_of_strategy", user_id, strategy_id)
        return tuple(_holdout(row) for row in rows)

    async def choose(self, user_id: UUID, holdout_id: UUID, chosen: Sequence[UUID]) -> Holdout:
        """Name the strategies that a holdout is opened for; from then on no others.

        Raises:
            NotFound: this user has no such holdout.
            Conflict: it was opened, or others were chosen.
        """
        row = await self._postgres.fetch_one("choose_for_holdout", user_id, holdout_id, list(chosen))
        if row is not None:
            return _holdout(row)
        known = _still_sealed(await self.get(user_id, holdout_id))
        named = ", ".join(map(str, known.chosen or ())) or "none"
        raise Conflict(
            f"holdout {holdout_id} is being opened for other strategies: {named}; no others can be chosen"
        )

    async def open(self, user_id: UUID, holdout_id: UUID, results: Sequence[HoldoutResult]) -> Holdout:
        """Keep what the chosen strategies did, and break the seal.

        Raises:
            Conflict: it was opened meanwhile.
        """
        content = json.dumps(_RESULTS.dump_python(tuple(results), mode="json"), separators=(",", ":"))
        row = await self._postgres.fetch_one("open_holdout", user_id, holdout_id, content)
        return _holdout(row) if row else _still_sealed(await self.get(user_id, holdout_id))


def _still_sealed(one: Holdout) -> Holdout:
    if one.is_sealed:
        return one
    raise Conflict(
        f"holdout {one.holdout_id} over these candles was opened on {one.opened_at:%Y-%m-%d %H:%M} UTC, and "
        "nobody looks for the first time twice: seal later candles"
    )


def _holdout(row: dict[str, Any]) -> Holdout:
    return Holdout(
        instrument=Instrument(market_id=row["market_id"], symbol=row["symbol"]),
        time_range=TimeRange(start=row["start_at"], end=row["end_at"]),
        chosen=None if row["chosen"] is None else tuple(row["chosen"]),
        results=None if row["results"] is None else _RESULTS.validate_json(row["results"]),
        **{name: row[name] for name in ("holdout_id", "searched_before", "created_at", "opened_at")},
    )
