"""Trades and equity of runs, read from their events in Postgres."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from candleray.databases.postgres import Postgres
from candleray.live.events import EventKind, Exit, StrategyEvent
from candleray.live.records import EquityPage, EquityPoint, RunSession, RunTrade, TradePage
from candleray.live.run import ACTIVE_STATES, Run
from candleray.live.stores.event_store import StrategyEvents


class RunAccounts:
    """Trades and equity of one run; the caller has made sure whose it is."""

    def __init__(self, postgres: Postgres, user_id: UUID, run: Run) -> None:
        self._postgres = postgres
        self._user_id = user_id
        self._run = run

    async def sessions(self) -> tuple[RunSession, ...]:
        rows = await self._postgres.fetch("sessions_with_cash", self._user_id, self._run.run_id)
        return tuple(RunSession(**row) for row in rows)

    async def trades(self, session: int | None, after: int, limit: int) -> TradePage:
        """The first trades behind an event's number, by their entries."""
        place = (self._user_id, self._run.run_id, session)
        rows = await self._postgres.fetch("run_trades", *place, after, limit + 1)
        counted = await self._postgres.fetch_one("count_annulled", *place)
        last = (await self.sessions())[-1].session
        trades = tuple(self._trade(row, last) for row in rows[:limit])
        more = trades[-1].number if len(rows) > limit else None
        return TradePage(trades=trades, annulled=(counted or {})["annulled"], next_after=more)

    def _trade(self, row: dict[str, Any], last_session: int) -> RunTrade:
        is_held = row["session"] == last_session and self._run.state in ACTIVE_STATES
        state = "closed" if row["exit"] else "open" if is_held else "left_open"
        return RunTrade(state=state, **row)

    async def equity(self, session: int | None, after: int, limit: int) -> EquityPage:
        """The equity after each of the first trades behind an event's number, by their exits."""
        exits = await StrategyEvents(self._postgres).of_run(
            self._user_id, self._run.run_id, after, [EventKind.EXIT], session, limit + 1
        )
        sessions = await self.sessions()
        cash = {one.session: one.init_cash_quote for one in sessions}
        points = tuple(_point(exit_, cash[exit_.session]) for exit_ in exits[:limit])
        chosen = tuple(one for one in sessions if session in (None, one.session))
        return EquityPage(
            sessions=chosen, points=points, next_after=points[-1].number if len(exits) > limit else None
        )


def _point(event: StrategyEvent, cash: float) -> EquityPoint:
    assert isinstance(event.body, Exit)
    equity = event.body.equity_quote
    return EquityPoint(
        number=event.number,
        session=event.session,
        ts_open=event.ts_open,
        equity_quote=equity,
        return_pct=100 * (equity / cash - 1),
    )
