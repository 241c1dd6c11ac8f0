"""Runs of strategies in Postgres; a state and the event that made it are written together or not at all."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from candleray.databases.postgres import Postgres, Transaction
from candleray.errors import Conflict, GuardExceeded, NotFound, Problem
from candleray.live.events import StateChange
from candleray.live.run import (
    ACTIVE_STATES,
    FIRST_STATE,
    Run,
    RunAction,
    RunEvent,
    RunFilter,
    RunMetadata,
    RunMode,
    RunPage,
    RunState,
    next_state,
)
from candleray.live.run_history import RunHistory
from candleray.live.sessions import bar_open_at, first_live_bar
from candleray.live.stores.event_store import NewEvent, append
from candleray.paging import PagePosition, cursor_of
from candleray.strategies.store import refuse_active_run

MAX_EVENTS = 500
"""Events in a history; a run has more only where somebody starts and stops it hundreds of times."""

MAX_CAUSE_CHARACTERS = 500


class Runs:
    def __init__(self, postgres: Postgres, most_active: int = 1000) -> None:
        """
        Args:
            most_active: active runs of one user.
        """
        self._postgres = postgres
        self._most_active = most_active

    async def start(
        self,
        user_id: UUID,
        strategy_id: UUID,
        metadata: RunMetadata,
        cause: str,
        mode: RunMode = RunMode.SIGNALS,
    ) -> Run:
        """Start a new run of the strategy.

        Raises:
            NotFound: this user has no such strategy.
            Conflict: it has an active run.
            GuardExceeded: the user has as many active runs as one may.
        """
        fixed = metadata.model_dump(mode="json")
        async with self._postgres.transaction() as transaction:
            # Before the strategy, as whoever starts a run again does.
            await transaction.fetch("lock_user", user_id)
            if await transaction.fetch_one("lock_strategy", user_id, strategy_id) is None:
                raise NotFound(f"there is no strategy {strategy_id}")
            await refuse_active_run(transaction, strategy_id)
            await self._require_room(transaction, user_id)
            row = await transaction.fetch_one("start_run", user_id, strategy_id, FIRST_STATE, fixed, mode)
            assert row is not None
            await transaction.fetch("start_session", row["run_id"], row["last_event"], first_live_bar(metadata))
            await _note(transaction, row, RunAction.RUN, None, cause)
        return run_of(row)

    async def move(
        self, user_id: UUID, run_id: UUID, action: RunAction, cause: str, at: datetime | None = None
    ) -> Run:
        """Take an action; its event keeps the `cause`.

        Args:
            at: the exchange's time, by which a run that starts again begins with the bar that is open; now.

        Raises:
            NotFound: this user has no such run.
            Conflict: its state does not take the action; or, to start it again, its strategy is deleted or has
                another active run.
            GuardExceeded: to start it again, the user has as many active runs as one may.
        """
        async with self._postgres.transaction() as transaction:
            if action is RunAction.RUN:
                await transaction.fetch("lock_user", user_id)
                await self._require_room(transaction, user_id, run_id)
            return await move(transaction, user_id, run_id, action, cause, at)

    async def _require_room(self, transaction: Transaction, user_id: UUID, besides: UUID | None = None) -> None:
        """Refuse one more active run than there may be; the transaction has locked the user."""
        counted = await transaction.fetch_one("count_active_runs", user_id, ACTIVE_STATES, besides)
        active = (counted or {})["active"]
        if active >= self._most_active:
            message = (
                f"active runs {active:,}, the limit of one user is {self._most_active:,} (the setting "
                "live.max_runs_per_user): stop one"
            )
            raise GuardExceeded(message, [Problem("runs", "over_the_limit", message)])

    async def get(self, user_id: UUID, run_id: UUID) -> RunHistory:
        """Raises NotFound where this user has no such run."""
        async with self._postgres.transaction() as transaction:
            row = await transaction.fetch_one("get_run", user_id, run_id)
            if row is None:
                raise _unknown(run_id)
            events = await transaction.fetch("run_events", run_id, MAX_EVENTS)
        history = tuple(RunEvent(**event) for event in reversed(events))
        return RunHistory(**run_of(row).model_dump(), events=history)

    async def one(self, user_id: UUID, run_id: UUID) -> Run:
        """The run without its history; raises NotFound where this user has no such run."""
        row = await self._postgres.fetch_one("get_run", user_id, run_id)
        if row is None:
            raise _unknown(run_id)
        return run_of(row)

    async def page(self, user_id: UUID, chosen: RunFilter, after: PagePosition | None, limit: int) -> RunPage:
        """The newest first, those after the position."""
        filters = (chosen.strategy_id, chosen.state)
        rows = await self._postgres.fetch("list_runs", user_id, *filters, *(after or (None, None)), limit + 1)
        runs = tuple(run_of(row) for row in rows[:limit])
        if len(rows) <= limit:
            return RunPage(runs=runs)
        last = PagePosition(runs[-1].created_at, runs[-1].run_id)
        return RunPage(runs=runs, next_cursor=cursor_of(last))

    async def active(self) -> list[tuple[UUID, Run]]:
        """Every user's active runs with their users, the oldest first."""
        rows = await self._postgres.fetch("active_runs", ACTIVE_STATES)
        return [(row["user_id"], run_of(row)) for row in rows]


async def move(
    transaction: Transaction,
    user_id: UUID,
    run_id: UUID,
    action: RunAction,
    cause: str,
    at: datetime | None = None,
) -> Run:
    """Take an action within a transaction, as `Runs.move` does."""
    former = await transaction.fetch_one("lock_run", user_id, run_id)
    if former is None:
        raise _unknown(run_id)
    state = RunState(former["state"])
    to_state = next_state(state, action)
    if to_state in ACTIVE_STATES and state not in ACTIVE_STATES:
        await _refuse_restart(transaction, user_id, former["strategy_id"])
    if state is RunState.RUNNING:
        await transaction.fetch("end_session", run_id)
    row = await transaction.fetch_one("move_run", run_id, to_state)
    assert row is not None
    run = run_of(row)
    if action is RunAction.RUN:
        live_from = bar_open_at(run.metadata, at or datetime.now(UTC))
        await transaction.fetch("start_session", run_id, row["last_event"], live_from)
    await _note(transaction, row, action, state, cause)
    return run


async def _refuse_restart(transaction: Transaction, user_id: UUID, strategy_id: UUID) -> None:
    if await transaction.fetch_one("lock_strategy", user_id, strategy_id) is None:
        raise Conflict(f"the strategy {strategy_id} is deleted: its runs do not start again")
    await refuse_active_run(transaction, strategy_id)


async def _note(
    transaction: Transaction, row: dict[str, Any], action: RunAction, former: RunState | None, cause: str
) -> None:
    """Keep a transition with its cause, and tell it among the user's events."""
    run_id, cause = row["run_id"], cause[:MAX_CAUSE_CHARACTERS]
    event = (action, former, row["state"], cause)
    await transaction.fetch("note_run_event", run_id, row["last_event"], *event)
    (session,) = await transaction.fetch("run_session", run_id)
    body = StateChange(action=action, from_state=former, to_state=row["state"], cause=cause)
    await append(transaction, [NewEvent(row["user_id"], run_id, session["session"], row["state_since"], body)])


def _unknown(run_id: UUID) -> NotFound:
    return NotFound(f"there is no run {run_id}")


def run_of(row: dict[str, Any]) -> Run:
    # A run that has just been created has no certificate, and who lists runs for their work reads none.
    return Run(**{name: row[name] for name in Run.model_fields if row.get(name) is not None})
