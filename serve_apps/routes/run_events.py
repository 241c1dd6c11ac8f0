"""A run's events, signals, trades and equity, read from what it has said."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from candleray.errors import invalid
from candleray.live.certificates.certifier import Certifier
from candleray.live.certificates.equity_curve import curve_of
from candleray.live.events import EventKind
from candleray.live.records import EquityCurve, EquityPage, EventPage, RunSignal, SignalPage, TradePage
from candleray.live.run import Run
from candleray.live.stores.account_store import RunAccounts
from candleray.live.stores.event_store import StrategyEvents
from candleray.live.stores.store import Runs
from candleray.validation import Model
from serve_apps.backend import InBackend
from serve_apps.examples import live as examples
from serve_apps.http.callers import InUser
from serve_apps.http.json_body import StrictRoute
from serve_apps.http.openapi import example
from serve_apps.http.timeouts import answer_in_time
from serve_apps.routes.runs import RunId

router = APIRouter(prefix="/runs/{run_id}", tags=["runs"], route_class=StrictRoute)

LAST_NUMBER = 2**63 - 1
"""No event has a greater number: the database's column ends there."""

_AFTER = "what is behind this number; `next_after` of the page before"
_SESSION = "of one session alone: the number of the run's event that started it"


class PageQuery(Model):
    session: int | None = Field(None, ge=1, le=2**31 - 1, description=_SESSION, examples=[1])
    after: int = Field(0, ge=0, le=LAST_NUMBER, description=_AFTER)
    limit: int = Field(500, ge=1, le=5000, description="entries on a page")


class EventsQuery(PageQuery):
    kind: list[EventKind] | None = Field(None, description="only of these kinds; may be given many times")


async def _run(run_id: RunId, backend: InBackend, user: InUser) -> Run:
    return await Runs(await backend.postgres()).one(user.user_id, run_id)


InRun = Annotated[Run, Depends(_run)]
"""The caller's own run."""


async def _accounts(run: InRun, backend: InBackend, user: InUser) -> RunAccounts:
    return RunAccounts(await backend.postgres(), user.user_id, run)


InAccounts = Annotated[RunAccounts, Depends(_accounts)]


@router.get("/events", response_model=EventPage, responses=example(examples.EVENTS))
async def get_run_events(
    run: InRun,
    query: Annotated[EventsQuery, Query()],
    accounts: InAccounts,
    backend: InBackend,
    user: InUser,
) -> Any:
    """All that the run has said, in order: signals, entries, exits, annulled entries, gaps, late candles, states;
    and, of a run on paper, orders and fills.

    A number counts within all events of the user, without a gap: whoever has read up to one has missed nothing.
    """
    await require_session(accounts, query.session)
    chosen = (query.kind, query.session, query.after, query.limit)
    return await StrategyEvents(await backend.postgres()).page_of_run(user.user_id, run.run_id, *chosen)


@router.get("/signals", response_model=SignalPage, responses=example(examples.SIGNALS))
async def get_run_signals(
    run: InRun, query: Annotated[PageQuery, Query()], accounts: InAccounts, backend: InBackend, user: InUser
) -> Any:
    """The changes of the run's final signal; on every bar between two of them it is what the former says."""
    await require_session(accounts, query.session)
    chosen = ([EventKind.SIGNAL], query.session, query.after, query.limit)
    page = await StrategyEvents(await backend.postgres()).page_of_run(user.user_id, run.run_id, *chosen)
    return SignalPage(signals=tuple(map(RunSignal.of, page.events)), next_after=page.next_after)


@router.get("/trades", response_model=TradePage, responses=example(examples.TRADES))
async def get_run_trades(query: Annotated[PageQuery, Query()], accounts: InAccounts) -> Any:
    """The run's trades on paper, each an entry and its exit; one that is open comes last, without an exit."""
    await require_session(accounts, query.session)
    return await accounts.trades(query.session, query.after, query.limit)


@router.get("/equity", response_model=EquityPage, responses=example(examples.EQUITY))
async def get_run_equity(query: Annotated[PageQuery, Query()], accounts: InAccounts) -> Any:
    """The equity after each trade that has closed; each session begins with the strategy's initial cash."""
    await require_session(accounts, query.session)
    return await accounts.equity(query.session, query.after, query.limit)


class CurveQuery(Model):
    session: int | None = Field(None, ge=1, le=2**31 - 1, description="of this session; the last by default")
    points: int = Field(1000, ge=2, le=5000, description="closes to tell of at most")


@router.get("/equity-curve", response_model=EquityCurve, responses=example(examples.EQUITY_CURVE))
async def get_run_equity_curve(
    request: Request, run: InRun, query: Annotated[CurveQuery, Query()], backend: InBackend, user: InUser
) -> Any:
    """The equity of a session at the closes of its bars, computed anew from the candles that it has received."""

    async def in_turn() -> EquityCurve:
        async with backend.searches.held(f"user {user.user_id}"):
            certifier = Certifier(await backend.postgres(), backend.candles, backend.settings, backend.compute)
            received = await certifier.received(user.user_id, run.run_id, query.session)
            curve: EquityCurve = await backend.compute(curve_of, received, query.points)
            return curve

    timeout_s = backend.settings.api.backtest_timeout_s
    return await answer_in_time(request, in_turn(), timeout_s, "the equity curve")


async def require_session(accounts: RunAccounts, session: int | None) -> None:
    if session is None:
        return
    there = [one.session for one in await accounts.sessions()]
    if session not in there:
        known = ", ".join(map(str, there))
        raise invalid("session", "unknown_session", f"session: the run has no session {session}; it has {known}")
