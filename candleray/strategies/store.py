"""Saved strategies, each its user's own: one that is somebody else's is answered as one that is not there."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from candleray.databases.postgres import Postgres, Transaction
from candleray.errors import Conflict, NotFound
from candleray.hashes import canonical_json
from candleray.live.store import refuse_active_run
from candleray.paging import PagePosition, cursor_of
from candleray.strategies.strategy import Strategy, StrategyFilter, StrategyPage, StrategySpec

_ATTEMPTS = 5


class Strategies:
    def __init__(self, postgres: Postgres, max_per_user: int = 10_000) -> None:
        self._postgres = postgres
        self._max_per_user = max_per_user

    async def save(self, user_id: UUID, name: str, spec: StrategySpec, parent_id: UUID | None = None) -> Strategy:
        """The strategy of that content: a new one, or the one that the user has, with the parent that one has.

        Raises:
            Conflict: it would be one more than a user may have.
        """
        row = (user_id, name, spec.hash, canonical_json(spec.model_dump(mode="json")).decode())
        indicators = sorted({one.id for one in spec.indicators})
        place = (spec.instrument.market_id, spec.instrument.symbol, spec.timeframe, indicators)
        for _ in range(_ATTEMPTS):
            async with self._postgres.transaction() as transaction:
                found = await self._full(transaction, user_id, spec.hash)
                found = found or await transaction.fetch_one("save_strategy", *row, *place, parent_id)
            if found is not None:
                return _strategy(found)
        raise Conflict(f"the strategy {name} is being saved and deleted at the same time: try again")

    async def _full(self, transaction: Transaction, user_id: UUID, spec_hash: str) -> dict[str, Any] | None:
        """None while there is room for one more; else the one of this content, the only one that may be saved."""
        await transaction.fetch("lock_user", user_id)
        counted = await transaction.fetch_one("count_strategies", user_id)
        if not counted or counted["strategies"] < self._max_per_user:
            return None
        found = await transaction.fetch_one("strategy_by_content", user_id, spec_hash)
        if found is None:
            raise Conflict(
                f"saved strategies {counted['strategies']}, the limit of one user is {self._max_per_user}: "
                "delete one"
            )
        return found

    async def page(
        self, user_id: UUID, chosen: StrategyFilter, after: PagePosition | None, limit: int
    ) -> StrategyPage:
        """The newest first, those after the position."""
        wanted = (chosen.market_id, chosen.symbol, chosen.timeframe, chosen.indicator, chosen.name)
        rows = await self._postgres.fetch("list_strategies", user_id, *wanted, *(after or (None, None)), limit + 1)
        found = tuple(_strategy(row) for row in rows[:limit])
        more = len(rows) > limit
        last = cursor_of(PagePosition(found[-1].created_at, found[-1].strategy_id)) if more else None
        return StrategyPage(strategies=found, next_cursor=last)

    async def get(self, user_id: UUID, strategy_id: UUID) -> Strategy:
        """Raises NotFound: this user has no such strategy."""
        return _found(await self._postgres.fetch_one("get_strategy", user_id, strategy_id), strategy_id)

    async def delete(self, user_id: UUID, strategy_id: UUID) -> Strategy:
        """The strategy as it was, with the time of its deletion; it is kept for what refers to it.

        Raises:
            NotFound: this user has no such strategy.
            Conflict: it has an active run.
        """
        async with self._postgres.transaction() as transaction:
            if await transaction.fetch_one("lock_strategy", user_id, strategy_id) is not None:
                await refuse_active_run(transaction, strategy_id)
            return _found(await transaction.fetch_one("delete_strategy", user_id, strategy_id), strategy_id)


def _found(row: dict[str, Any] | None, strategy_id: UUID) -> Strategy:
    if row is None:
        raise NotFound(f"there is no strategy {strategy_id}")
    return _strategy(row)


def _strategy(row: dict[str, Any]) -> Strategy:
    return Strategy(**{**row, "spec": StrategySpec.model_validate_json(row["spec"])})
