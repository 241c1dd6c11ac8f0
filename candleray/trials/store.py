"""Trials in Postgres, each its user's own; none is ever forgotten."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from candleray.backtests.result import BacktestResult
from candleray.backtests.verdict import EarlierSearches, Verdict
from candleray.databases.postgres import Postgres, Transaction
from candleray.errors import NotFound
from candleray.markets import Instrument
from candleray.paging import PagePosition, cursor_of
from candleray.timeframes import TimeRange
from candleray.trials.counting import counted
from candleray.trials.trial import Trial, TrialPage, TriedGrid

MOST_TRIALS = 100_000
"""Trials of one user that are kept: about 100 MB."""

NOT_KEPT = (
    f"your record of searches is full: {MOST_TRIALS:,} are kept, and this one is not among them, so that later "
    "verdicts do not count it"
)


class Trials:
    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def count(self, user_id: UUID, result: BacktestResult) -> BacktestResult:
        """Put a search on record; return its answer with the earlier ones counted in its verdict."""
        async with self._postgres.transaction() as transaction:
            return await count_result(transaction, user_id, None, result)

    async def page(
        self, user_id: UUID, market_id: int | None, symbol: str | None, after: PagePosition | None, limit: int
    ) -> TrialPage:
        """The newest first, those after the position."""
        rows = await self._postgres.fetch(
            "list_trials", user_id, market_id, symbol, *(after or (None, None)), limit + 1
        )
        trials = tuple(_trial(row) for row in rows[:limit])
        if len(rows) <= limit:
            return TrialPage(trials=trials)
        last = PagePosition(trials[-1].last_at, trials[-1].trial_id)
        return TrialPage(trials=trials, next_cursor=cursor_of(last))

    async def find(self, user_id: UUID, request_hash: str) -> Trial | None:
        """The user's search of that request; None where there is none on record."""
        row = await self._postgres.fetch_one("trial_of_request", user_id, request_hash)
        return None if row is None else _trial(row)

    async def get(self, user_id: UUID, request_hash: str) -> Trial:
        """Raises NotFound where this user has made no such search."""
        found = await self.find(user_id, request_hash)
        if found is None:
            raise NotFound(f"you have made no search with request_hash {request_hash}")
        return found


async def count_result(
    transaction: Transaction, user_id: UUID, job_id: UUID | None, result: BacktestResult
) -> BacktestResult:
    """Put a whole search on record, within a transaction; return its answer with the earlier ones counted."""
    best = result.top[0].total_return_pct if result.top else None
    tried = TriedGrid.of(result.request, result.request_hash, result.variants_evaluated, result.verdict, best)
    verdict, is_kept = await record(transaction, user_id, job_id, tried)
    notes = result.notes if is_kept else (*result.notes, NOT_KEPT)
    return result.model_copy(update={"verdict": verdict, "notes": notes})


async def record(
    transaction: Transaction, user_id: UUID, job_id: UUID | None, tried: TriedGrid
) -> tuple[Verdict | None, bool]:
    """Count the earlier searches of a user, then put this one on record.

    Returns:
        Its verdict with the earlier ones counted, and whether there was room for it.
    """
    await transaction.fetch("lock_trials", user_id)
    span, where = tried.time_range, tried.instrument
    place = (where.market_id, where.symbol, tried.timeframe, span.start, span.end)
    row = await transaction.fetch_one(
        "earlier_trials", user_id, tried.grid_hash, where.symbol, span.start, span.end
    )
    verdict = None if tried.verdict is None else counted(tried.verdict, _earlier(row))
    others = await transaction.fetch_one("count_trials", user_id, tried.request_hash)
    if others is not None and others["trials"] >= MOST_TRIALS:
        return verdict, False
    hashes, said = (tried.grid_hash, tried.request_hash), verdict and verdict.model_dump_json(exclude={"pictures"})
    numbers = (tried.variants, tried.independent_variants, tried.best_total_return_pct)
    await transaction.fetch("record_trial", user_id, job_id, *place, *hashes, *numbers, said)
    return verdict, True


def _earlier(row: dict[str, Any] | None) -> EarlierSearches | None:
    if row is None or not row["searches"]:
        return None
    independent = round(row["independent_variants"], 1)
    return EarlierSearches(searches=row["searches"], variants=row["variants"], independent_variants=independent)


def _trial(row: dict[str, Any]) -> Trial:
    return Trial(
        instrument=Instrument(market_id=row["market_id"], symbol=row["symbol"]),
        time_range=TimeRange(start=row["start_at"], end=row["end_at"]),
        verdict=None if row["verdict"] is None else Verdict.model_validate_json(row["verdict"]),
        **{name: row[name] for name in Trial.model_fields.keys() & row.keys() - {"verdict"}},
    )
