"""Live runs of strategies: started, listed and stopped by their user."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Path, Query
from pydantic import Field

from candleray.databases.postgres import Postgres
from candleray.errors import Conflict, NotFound
from candleray.identity.roles import role_of
from candleray.identity.tokens import Caller
from candleray.live.run import (
    ACTIVE_STATES,
    NewRun,
    Run,
    RunAction,
    RunFilter,
    RunPage,
    RunState,
    StartedRun,
    next_state,
)
from candleray.live.run_history import RunHistory
from candleray.live.starting.start_checks import CheckedStart, Starter
from candleray.live.stores.standings import standing_of
from candleray.live.stores.store import Runs
from candleray.paging import CURSOR_PATTERN, position_of
from candleray.strategies.store import Strategies
from serve_apps.backend import Backend, InBackend
from serve_apps.examples import strategies as examples
from serve_apps.http.callers import InCaller, InUser
from serve_apps.http.json_body import StrictRoute
from serve_apps.http.openapi import example

router = APIRouter(prefix="/runs", tags=["runs"], route_class=StrictRoute)

RunId = Annotated[UUID, Path(description="of the run", examples=[examples.RUN_ID])]

_BY_THE_USER = "asked for by the user"


@router.post("", response_model=StartedRun, responses=example(examples.STARTED_RUN))
async def start_run(
    body: Annotated[NewRun, Body(openapi_examples=examples.NEW_RUNS)], caller: InCaller, backend: InBackend
) -> Any:
    """Start a strategy; it has one active run at most, and 409 names the one it has.

    Each instrument that it reads must be traded, ingested, and stored from its warm-up on; 422 names what is
    missing and the command that brings it. What is not ingested yet is subscribed to, where the caller is an
    operator. The warm-up is fixed now: so many bars before the bar that is open at this moment of the exchange.
    The mode is fixed too: with `paper` it makes orders, which the paper exchange fills at the closes of its bars.
    """
    user, postgres = caller.user, await backend.postgres()
    strategy = await Strategies(postgres).get(user.user_id, body.strategy_id)
    start = await backend.starts.checked(_starter(caller, backend), strategy.spec)
    run = await _runs(postgres, backend).start(
        user.user_id, body.strategy_id, start.metadata, _cause(start), body.mode
    )
    return StartedRun(**dict(run), notes=start.notes)


def _runs(postgres: Postgres, backend: Backend) -> Runs:
    return Runs(postgres, backend.settings.live.max_runs_per_user)


def _starter(caller: Caller, backend: Backend) -> Starter:
    return Starter(caller.user.user_id, role_of(caller, backend.settings) == "operator")


def _cause(start: CheckedStart) -> str:
    return "; ".join((_BY_THE_USER, *start.notes))


class RunsQuery(RunFilter):
    strategy_id: UUID | None = Field(None, description="only of this strategy", examples=[examples.STRATEGY_ID])
    state: RunState | None = Field(None, description="only in this state", examples=["running"])
    limit: int = Field(50, ge=1, le=500, description="runs on a page")
    cursor: str | None = Field(None, pattern=CURSOR_PATTERN, description="`next_cursor` of the page before")


@router.get("", response_model=RunPage, responses=example(examples.RUNS))
async def list_runs(query: Annotated[RunsQuery, Query()], user: InUser, backend: InBackend) -> Any:
    """The user's runs, the newest first, a page at a time."""
    after = None if query.cursor is None else position_of(query.cursor)
    return await Runs(await backend.postgres()).page(user.user_id, query, after, query.limit)


@router.get("/{run_id}", response_model=RunHistory, responses=example(examples.RUN_HISTORY))
async def get_run(run_id: RunId, user: InUser, backend: InBackend) -> Any:
    """One run of the user, the events that led to its state, each with its cause, and how it stands."""
    postgres = await backend.postgres()
    history = await Runs(postgres).get(user.user_id, run_id)
    if history.state not in ACTIVE_STATES:
        return history
    standing = await standing_of(backend.valkey, postgres, user.user_id, run_id)
    return history.model_copy(update={"standing": standing})


@router.post("/{run_id}/stop", response_model=Run, responses=example(examples.STOPPING_RUN))
async def stop_run(run_id: RunId, user: InUser, backend: InBackend) -> Any:
    """Stop a run: it is `stopping` until everything is put away. 409 names what its state takes instead."""
    return await Runs(await backend.postgres()).move(user.user_id, run_id, RunAction.STOP, _BY_THE_USER)


@router.post("/{run_id}/run", response_model=StartedRun, responses=example(examples.STARTED_RUN))
async def restart_run(run_id: RunId, caller: InCaller, backend: InBackend) -> Any:
    """Start a run again that is stopped, failed or stopping. 409 names what its state takes instead.

    What it reads is looked at as at its first start; its indicators begin with the same bar as ever.
    """
    user_id, postgres = caller.user.user_id, await backend.postgres()
    run = await Runs(postgres).one(user_id, run_id)
    next_state(run.state, RunAction.RUN)
    try:
        spec = (await Strategies(postgres).get(user_id, run.strategy_id)).spec
    except NotFound:
        raise Conflict(f"the strategy {run.strategy_id} is deleted: its runs do not start again") from None
    start = await backend.starts.checked(_starter(caller, backend), spec, run.metadata)
    moved = await _runs(postgres, backend).move(user_id, run_id, RunAction.RUN, _cause(start), start.at)
    return StartedRun(**dict(moved), notes=start.notes)
