"""Events of runs on paper that are to become orders, in Postgres, and how these are told once they are over.

A run's events are the outbox: its entries and exits were committed with the minutes that led to them. Orders are
made behind that, in the order of the events; an event is done when its orders are over, which are told with that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from candleray.databases.postgres import Postgres, Transaction
from candleray.execution.paper_fills import PaperTerms
from candleray.execution.store import Place
from candleray.live.events import EventKind, OrderFilled, OrderHalt, OrderMade
from candleray.live.sessions import Session
from candleray.live.stores.event_store import NewEvent, append
from candleray.markets import Instrument
from candleray.timeframes import MINUTE_MS, Timeframe, from_ms, minutes_of, to_ms

AT_ONCE = 100
"""Events of a run that are read together."""


@dataclass(frozen=True)
class PaperRun:
    """A session of a run on paper, with all that its account needs."""

    run_id: UUID
    user_id: UUID
    instrument_key: str
    timeframe: Timeframe
    instrument: Instrument
    terms: PaperTerms
    session: Session

    @classmethod
    def of(cls, row: dict[str, Any]) -> PaperRun:
        return cls(
            run_id=row["run_id"],
            user_id=row["user_id"],
            instrument_key=row["instrument_key"],
            timeframe=row["timeframe"],
            instrument=Instrument(market_id=row["market_id"], symbol=row["symbol"]),
            terms=PaperTerms(row["cash"], row["fee_pct"] / 100.0, row["slippage_pct"] / 100.0),
            session=Session(row["session"], row["live_from"], row["started_at"]),
        )

    @property
    def place(self) -> Place:
        """The account of the session."""
        return Place(self.user_id, self.instrument, self.run_id, to_ms(self.session.live_from))


@dataclass(frozen=True)
class PaperEvent:
    """An entry, an exit or an annulled entry of a run."""

    run: PaperRun
    number: int
    kind: EventKind
    bar_ms: int
    target: Decimal
    """The position that it leads to."""

    @classmethod
    def of(cls, row: dict[str, Any]) -> PaperEvent:
        kind = EventKind(row["kind"])
        side = {"long": 1, "short": -1}[row["side"]]
        target = side * Decimal(row["quantity"]) if kind is EventKind.ENTRY else Decimal(0)
        return cls(PaperRun.of(row), row["number"], kind, to_ms(row["ts_open"]), target)

    @property
    def bar_end_ms(self) -> int:
        return self.bar_ms + minutes_of(self.run.timeframe) * MINUTE_MS


class HaltedRun(NamedTuple):
    """A run that makes no order any more, which was not told yet."""

    run_id: UUID
    user_id: UUID
    instrument_key: str
    reason: str
    at: datetime
    session: int


async def events_to_act_on(postgres: Postgres) -> list[PaperEvent]:
    """The next events of every run on paper that may make orders, run by run in their order."""
    return [PaperEvent.of(row) for row in await postgres.fetch("paper_events_to_act_on", AT_ONCE)]


async def runs_whose_books_differ(postgres: Postgres) -> list[PaperRun]:
    return [PaperRun.of(row) for row in await postgres.fetch("paper_books_that_differ")]


async def halts_to_tell(postgres: Postgres) -> list[HaltedRun]:
    return [HaltedRun(**row) for row in await postgres.fetch("paper_halts_to_tell")]


async def tell_done(transaction: Transaction, event: PaperEvent) -> None:
    """Note that an event's orders are over, and tell of them."""
    orders = await transaction.fetch("paper_orders_of_bar", event.run.run_id, event.bar_ms)
    await append(transaction, [each for row in orders for each in _told(event.run, row)])
    await transaction.fetch("move_paper_course", event.run.run_id, event.number)


async def tell_halt(transaction: Transaction, halted: HaltedRun) -> None:
    body = OrderHalt(reason=halted.reason)
    await append(transaction, [NewEvent(halted.user_id, halted.run_id, halted.session, halted.at, body)])
    await transaction.fetch("note_paper_halt", halted.run_id)


def _told(run: PaperRun, row: dict[str, Any]) -> Sequence[NewEvent]:
    made = OrderMade(client_order_id=row["client_order_id"], side=row["side"], quantity=float(row["quantity"]))
    told = [_event(run, row["created_at"], made)]
    if row["price"] is None:
        return told
    filled = OrderFilled(
        client_order_id=row["client_order_id"],
        side=row["side"],
        price=float(row["price"]),
        quantity=float(row["filled"]),
        fee_quote=float(row["fee"]),
        position=float(row["position"]),
        balance_quote=float(row["balance"]),
    )
    return [*told, _event(run, from_ms(row["at_ms"]), filled)]


def _event(run: PaperRun, at: datetime, body: OrderMade | OrderFilled) -> NewEvent:
    return NewEvent(run.user_id, run.run_id, run.session.session, at, body)
