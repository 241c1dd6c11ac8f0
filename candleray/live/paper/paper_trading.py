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
from candleray.execution.paper_account import PAPER_FILTERS, ClosedBar, exact
from candleray.execution.paper_gateway import PaperGateway
from candleray.execution.paper_ledger import PaperLedger
from candleray.execution.store import OrderStore
from candleray.live.events import EventKind
from candleray.live.paper.paper_events import PaperEvent, events_to_act_on, tell_done
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

    async def look(self) -> int:
        """Act on what runs have said since the last look; return the number of events that are done."""
        done = 0
        users: set[UUID] = set()
        events = [one for one in await events_to_act_on(self._postgres) if self._is_ours(one.instrument_key)]
        for _, of_run in groupby(events, key=lambda one: one.run_id):
            acted = await self._act_on_all(of_run)
            users |= {one.user_id for one in acted}
            done += len(acted)
        if users:
            await self._tell(users)
        return done

    async def _act_on_all(self, events: Iterable[PaperEvent]) -> list[PaperEvent]:
        """Act on events of one run, up to one that has to wait; return those that are done."""
        done = []
        for event in events:
            try:
                if not await self._act(event):
                    break
            except EpochOver:
                raise
            except (CandlerayError, TimeoutError) as error:
                log.warning("paper_orders_wait", run_id=str(event.run_id), reason=in_words(error))
                break
            done.append(event)
        return done

    async def _act(self, event: PaperEvent) -> bool:
        """Bring a run to what an event wants, and tell that; False where it takes another look."""
        halt = await self._orders.halt_of(event.run_id)
        if halt is None:
            is_there = await self._arrives(event)
            halt = await self._orders.halt_of(event.run_id)
            if halt is None and not is_there:
                return False
        async with self._writing() as transaction:
            await tell_done(transaction, event, halt)
        return True

    async def _arrives(self, event: PaperEvent) -> bool:
        """Take steps until nothing is left to do, and nothing in flight."""
        close = await self._closes(event)
        desk = self._desk(event, ClosedBar(event.bar_end_ms, close, event.kind is EventKind.ANNULLED))
        signal = Signal(event.bar_ms, event.target, exact(close))
        for _ in range(MOST_STEPS):
            try:
                order = await desk.step(signal)
            except GuardExceeded as exc:
                await desk.kill(exc.message)
                return False
            if order is None:
                return not await self._orders.in_flight(event.place)
            if order.state is OrderState.REJECTED:
                await desk.kill(f"the paper exchange has refused the order {order.request.client_order_id}")
                return False
        return False

    def _desk(self, event: PaperEvent, bar: ClosedBar) -> Desk:
        """The desk of a run's session, whose paper exchange fills at this bar."""
        known = self._desks.get(event.run_id)
        if known is None or known.session != event.session.session:
            ledger = PaperLedger(self._postgres, event.run_id, event.session.session)
            gateway = PaperGateway(ledger, event.instrument, event.terms, bar, self._seconds)
            limits = ExecutionLimits(
                symbols=frozenset({event.instrument.symbol}),
                largest_notional=LARGEST_NOTIONAL,
                orders_a_minute=ORDERS_A_MINUTE,
            )
            account = event.place, event.run_id, PAPER_FILTERS
            desk = Desk(self._orders, gateway, *account, LimitWatch(limits))
            known = self._desks[event.run_id] = _Desk(event.session.session, desk, gateway)
        known.gateway.show(bar)
        return known.desk
