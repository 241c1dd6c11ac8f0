"""Orders of the runs on paper of a shard: behind what they have said, event by event, through their desks.

After a kill at any line an event is not done, and is gone through again: its orders have the ids that they had,
the paper exchange takes none twice, and a desk first looks at what there is. A fault of one run is its own alone.

One run comes after the other: they take one of the shard's connections, and commits of minutes have the rest.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from candleray.databases.postgres import Postgres, Transaction
from candleray.errors import CandlerayError, GuardExceeded, in_words
from candleray.execution.desk import Desk, Signal
from candleray.execution.limits import ExecutionLimits, LimitWatch
from candleray.execution.orders import OrderState
from candleray.execution.paper_fills import PAPER_FILTERS, ClosedBar, exact
from candleray.execution.paper_gateway import PaperGateway
from candleray.execution.paper_ledger import PaperLedger
from candleray.execution.store import OrderStore
from candleray.live.events import EventKind
from candleray.live.paper.paper_events import (
    PaperEvent,
    PaperRun,
    events_to_act_on,
    halts_to_tell,
    runs_whose_books_differ,
    tell_done,
    tell_halt,
)
from candleray.live.stores.shard_store import EpochOver
from candleray.logs import get_logger

log = get_logger("runners")

Closes = Callable[[PaperEvent], Awaitable[float]]
"""The close of an event's bar, as its session received it."""
Writing = Callable[[], AbstractAsyncContextManager[Transaction]]

MOST_STEPS = 4
"""Steps of a desk towards one target: an order, a look at its fill, and once more for what came between."""
LARGEST_NOTIONAL = Decimal(1_000_000_000_000)
ORDERS_A_MINUTE = 600
"""A run's own account decides how much and how often: what is beyond these is an error of ours."""


_NO_BAR = ClosedBar(0, 1.0)
"""A bar at which nothing is ordered."""


class _Desk(NamedTuple):
    session: int
    desk: Desk
    gateway: PaperGateway


class PaperTrading:
    def __init__(
        self,
        postgres: Postgres,
        writing: Writing,
        closes: Closes,
        is_ours: Callable[[str], bool],
        tell: Callable[[set[UUID]], Awaitable[None]],
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            writing: a transaction of the shard.
            is_ours: tells by an instrument's key whether its runs are of this shard.
            tell: called with the users of whom more is committed.
        """
        self._postgres, self._orders = postgres, OrderStore(postgres)
        self._writing, self._closes, self._is_ours, self._tell = writing, closes, is_ours, tell
        self._seconds = seconds
        self._desks: dict[UUID, _Desk] = {}
        self._waits: dict[UUID, str] = {}
        """Runs whose orders wait, each with the reason that was noted last."""

    async def look(self) -> int:
        """Act on what runs have said since the last look; return the number of events that are done."""
        done, users = 0, await self._tell_halts()
        events = [one for one in await events_to_act_on(self._postgres) if self._is_ours(one.run.instrument_key)]
        for run, of_run in groupby(events, key=lambda one: one.run):
            if acted := await self._act_on_all(of_run):
                done += acted
                users.add(run.user_id)
        if users:
            await self._tell(users)
        return done

    async def look_over(self) -> None:
        """Reconcile the runs whose books are not what their fills make; one for which that lasts is halted."""
        for run in await runs_whose_books_differ(self._postgres):
            if self._is_ours(run.instrument_key):
                await self._desk(run, _NO_BAR).look()

    async def _tell_halts(self) -> set[UUID]:
        """Tell of runs that were halted, whoever has; return their users."""
        users = set()
        for halted in await halts_to_tell(self._postgres):
            if self._is_ours(halted.instrument_key):
                async with self._writing() as transaction:
                    await tell_halt(transaction, halted)
                users.add(halted.user_id)
        return users

    async def _act_on_all(self, events: Iterable[PaperEvent]) -> int:
        """Act on events of one run, up to one that has to wait; return how many are done."""
        done = 0
        for event in events:
            try:
                if not await self._arrives(event):
                    break
                async with self._writing() as transaction:
                    await tell_done(transaction, event)
            except EpochOver:
                raise
            except (CandlerayError, TimeoutError) as error:
                self._note_wait(event.run.run_id, in_words(error))
                break
            self._waits.pop(event.run.run_id, None)
            done += 1
        return done

    def _note_wait(self, run_id: UUID, reason: str) -> None:
        if self._waits.get(run_id) != reason:
            log.warning("paper_orders_wait", run_id=str(run_id), reason=reason)
        self._waits[run_id] = reason

    async def _arrives(self, event: PaperEvent) -> bool:
        """Take steps until nothing is left to do, and nothing in flight."""
        close = await self._closes(event)
        bar = ClosedBar(event.bar_end_ms, close, event.kind is EventKind.ANNULLED)
        desk = self._desk(event.run, bar)
        signal = Signal(event.bar_ms, event.target, exact(close))
        for _ in range(MOST_STEPS):
            try:
                order = await desk.step(signal)
            except GuardExceeded as exc:
                await desk.kill(exc.message)
                return False
            if order is None:
                return not await self._orders.in_flight(event.run.place)
            if order.state is OrderState.REJECTED:
                await desk.kill(f"the paper exchange has refused the order {order.request.client_order_id}")
                return False
        return False

    def _desk(self, run: PaperRun, bar: ClosedBar) -> Desk:
        """The desk of a run's session; its paper exchange fills at this bar, or without one at the last."""
        session = run.session.session
        known = self._desks.get(run.run_id)
        if known is None or known.session != session:
            ledger = PaperLedger(self._postgres, run.run_id, session)
            gateway = PaperGateway(ledger, run.instrument, run.terms, bar, self._seconds)
            limits = ExecutionLimits(
                symbols=frozenset({run.instrument.symbol}),
                largest_notional=LARGEST_NOTIONAL,
                orders_a_minute=ORDERS_A_MINUTE,
            )
            account = run.place, run.run_id, PAPER_FILTERS
            desk = Desk(self._orders, gateway, *account, LimitWatch(limits))
            known = self._desks[run.run_id] = _Desk(session, desk, gateway)
        if bar is not _NO_BAR:
            known.gateway.show(bar)
        return known.desk
