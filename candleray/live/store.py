"""Runs of strategies and their events; a state and the event that made it are written together or not at all."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from candleray.databases.postgres import Postgres, Transaction
from candleray.errors import Conflict, NotFound
from candleray.live.run import (
    ACTIVE_STATES,
    FIRST_STATE,
    Run,
    RunAction,
    RunEvent,
    RunFilter,
    RunHistory,
    RunMetadata,
    RunPage,
    RunState,
    next_state,
)
from candleray.paging import PagePosition, cursor_of

MAX_EVENTS = 500
"""Of a history; a run has more only where somebody starts and stops it hundreds of times."""

MAX_CAUSE = 500


class Runs:
    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def start(self, user_id: UUID, strategy_id: UUID, metadata: RunMetadata, cause: str) -> Run:
        """A new run of the strategy.

        Raises:
            NotFound: this user has no such strategy.
            Conflict: it has an active run.
        """
        fixed = metadata.model_dump(mode="json")
        async with self._postgres.transaction() as transaction:
            if await transaction.fetch_one("lock_strategy", user_id, strategy_id) is None:
                raise NotFound(f"there is no strategy {strategy_id}")
            await refuse_active_run(transaction, strategy_id)
            row = await transaction.fetch_one("start_run", user_id, strategy_id, FIRST_STATE, fixed)
            assert row is not None
            await _note(transaction, row, RunAction.RUN, None, cause)
        return _run(row)

    async def move(self, user_id: UUID, run_id: UUID, action: RunAction, cause: str) -> Run:
        """The run after this action, for `cause`, which is kept.

        Raises:
            NotFound: this user has no such run.
            Conflict: its state does not take the action; or, to start it again, its strategy is deleted or has
                another active run.
        """
        async with self._postgres.transaction() as transaction:
            former = await transaction.fetch_one("lock_run", user_id, run_id)
            if former is None:
                raise _unknown(run_id)
            state = RunState(former["state"])
            to_state = next_state(state, action)
            if to_state in ACTIVE_STATES and state not in ACTIVE_STATES:
                await _refuse_restart(transaction, user_id, former["strategy_id"])
            row = await transaction.fetch_one("move_run", run_id, to_state)
            assert row is not None
            await _note(transaction, row, action, state, cause)
        return _run(row)

    async def get(self, user_id: UUID, run_id: UUID) -> RunHistory:
        """Raises NotFound: this user has no such run."""
        async with self._postgres.transaction() as transaction:
            row = await transaction.fetch_one("get_run", user_id, run_id)
            if row is None:
                raise _unknown(run_id)
            events = await transaction.fetch("run_events", run_id, MAX_EVENTS)
        history = tuple(RunEvent(**event) for event in reversed(events))
        return RunHistory(**_run(row).model_dump(), events=history)

    async def page(self, user_id: UUID, chosen: RunFilter, after: PagePosition | None, limit: int) -> RunPage:
        """The newest first, those after the position."""
        wanted = (chosen.strategy_id, chosen.state)
        rows = await self._postgres.fetch("list_runs", user_id, *wanted, *(after or (None, None)), limit + 1)
        found = tuple(_run(row) for row in rows[:limit])
        more = len(rows) > limit
        last = cursor_of(PagePosition(found[-1].created_at, found[-1].run_id)) if more else None
        return RunPage(runs=found, next_cursor=last)

    async def active(self) -> list[tuple[UUID, Run]]:
        """Every user's active runs with their users, the oldest first: for who runs them."""
        rows = await self._postgres.fetch("active_runs", ACTIVE_STATES)
        return [(row["user_id"], _run(row)) for row in rows]


async def refuse_active_run(transaction: Transaction, strategy_id: UUID) -> None:
    """Raises Conflict where the strategy, which is locked, has an active run."""
    active = await transaction.fetch_one("active_run", strategy_id, ACTIVE_STATES)
    if active is not None:
        raise Conflict(
            f"the strategy {strategy_id} has an active run: {active['run_id']} is {active['state']}; stop it first"
        )


async def _refuse_restart(transaction: Transaction, user_id: UUID, strategy_id: UUID) -> None:
    if await transaction.fetch_one("lock_strategy", user_id, strategy_id) is None:
        raise Conflict(f"the strategy {strategy_id} is deleted: its runs do not start again")
    await refuse_active_run(transaction, strategy_id)


async def _note(
    transaction: Transaction, row: dict[str, Any], action: RunAction, former: RunState | None, cause: str
) -> None:
    told = (action, former, row["state"], cause[:MAX_CAUSE])
    await transaction.fetch("note_run_event", row["run_id"], row["last_event"], *told)


def _unknown(run_id: UUID) -> NotFound:
    return NotFound(f"there is no run {run_id}")


def _run(row: dict[str, Any]) -> Run:
    return Run(**{name: row[name] for name in Run.model_fields})
