"""Saved strategies in Postgres, each its user's own; to another user it does not exist."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from candleray.backtests.verdict import Verdict
from candleray.databases.postgres import Postgres, Transaction
from candleray.errors import Conflict, NotFound
from candleray.hashes import canonical_json
from candleray.paging import PagePosition, cursor_of
from candleray.strategies.strategy import Strategy, StrategyFilter, StrategyPage, StrategySpec
from candleray.trials.trial import Trial

_ATTEMPTS = 5


class Strategies:
    def __init__(self, postgres: Postgres, max_per_user: int = 10_000) -> None:
        self._postgres = postgres
        self._max_per_user = max_per_user

    async def save(
        self,
        user_id: UUID,
        name: str,
        spec: StrategySpec,
        parent_id: UUID | None = None,
        trial: Trial | None = None,
    ) -> Strategy:
        """Save a strategy; where the user has one of the same content already, that one comes back unchanged.

        Args:
            trial: the search that found it, whose verdict is kept with it.

        Raises:
            Conflict: the user has as many strategies as one may have.
        """
        row = (user_id, name, spec.hash, canonical_json(spec.model_dump(mode="json")).decode())
        indicators = sorted({one.id for one in spec.named_indicators})
        place = (spec.instrument.market_id, spec.instrument.symbol, spec.timeframe, indicators)
        found_by = (trial.trial_id, trial.verdict and trial.verdict.model_dump_json()) if trial else (None, None)
        for _ in range(_ATTEMPTS):
            async with self._postgres.transaction() as transaction:
                saved = await self._saved_when_full(transaction, user_id, spec.hash)
                saved = saved or await transaction.fetch_one("save_strategy", *row, *place, parent_id, *found_by)
            if saved is not None:
                return _strategy(saved)
        raise Conflict(f"the strategy {name} is being saved and deleted at the same time: try again")

    async def _saved_when_full(
        self, transaction: Transaction, user_id: UUID, spec_hash: str
    ) -> dict[str, Any] | None:
        """Return None while there is room for one more; else the row of this content, which alone may be saved."""
        await transaction.fetch("lock_user", user_id)
        counted = await transaction.fetch_one("count_strategies", user_id)
        if not counted or counted["strategies"] < self._max_per_user:
            return None
        row = await transaction.fetch_one("strategy_by_content", user_id, spec_hash)
        if row is None:
            raise Conflict(
                f"saved strategies {counted['strategies']}, the limit of one user is {self._max_per_user}: "
                "delete one"
            )
        return row

    async def page(
        self, user_id: UUID, chosen: StrategyFilter, after: PagePosition | None, limit: int
    ) -> StrategyPage:
        """The newest first, those after the position."""
        filters = (chosen.market_id, chosen.symbol, chosen.timeframe, chosen.indicator, chosen.name)
        rows = await self._postgres.fetch(
            "list_strategies", user_id, *filters, *(after or (None, None)), limit + 1
        )
        strategies = tuple(_strategy(row) for row in rows[:limit])
        if len(rows) <= limit:
            return StrategyPage(strategies=strategies)
        last = PagePosition(strategies[-1].created_at, strategies[-1].strategy_id)
        return StrategyPage(strategies=strategies, next_cursor=cursor_of(last))

    async def get(self, user_id: UUID, strategy_id: UUID) -> Strategy:
        """Raises NotFound where this user has no such strategy."""
        return _known(await self._postgres.fetch_one("get_strategy", user_id, strategy_id), strategy_id)

    async def delete(self, user_id: UUID, strategy_id: UUID) -> Strategy:
        """Mark a strategy as deleted; its row is kept, because runs and clones refer to it.

        Raises:
            NotFound: this user has no such strategy.
            Conflict: it has an active run.
        """
        async with self._postgres.transaction() as transaction:
            if await transaction.fetch_one("lock_strategy", user_id, strategy_id) is not None:
                await refuse_active_run(transaction, strategy_id)
            return _known(await transaction.fetch_one("delete_strategy", user_id, strategy_id), strategy_id)


async def refuse_active_run(transaction: Transaction, strategy_id: UUID) -> None:
    """Raises Conflict where the strategy has an active run; the transaction must hold its lock."""
    active = await transaction.fetch_one("active_run", strategy_id)
    if active is not None:
        raise Conflict(
            f"the strategy {strategy_id} has an active run: {active['run_id']} is {active['state']}; stop it first"
        )


def _known(row: dict[str, Any] | None, strategy_id: UUID) -> Strategy:
    if row is None:
        raise NotFound(f"there is no strategy {strategy_id}")
    return _strategy(row)


def _strategy(row: dict[str, Any]) -> Strategy:
    verdict = row["verdict"] and Verdict.model_validate_json(row["verdict"])
    return Strategy(**{**row, "spec": StrategySpec.model_validate_json(row["spec"]), "verdict": verdict})
