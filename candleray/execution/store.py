"""Orders and fills in Postgres, which itself takes no transition that is not in the table and no fill twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from candleray.databases.postgres import Postgres, Transaction
from candleray.errors import Conflict, NotFound
from candleray.execution.fills import Fill
from candleray.execution.orders import Order, OrderRequest, OrderState, require_transition
from candleray.identity.audit import Event
from candleray.identity.audit_store import record
from candleray.markets import Instrument

_FIELDS = (
    "run_id",
    "signal_bar_ms",
    "intent",
    "side",
    "type",
    "quantity",
    "limit_price",
    "stop_price",
    "reduce_only",
    "time_in_force",
)


@dataclass(frozen=True)
class Place:
    """A user's account at an instrument, which all runs of the user have together; or that of a run on paper."""

    user_id: UUID
    instrument: Instrument
    run_id: UUID | None = None
    """The run that has the account to itself, on paper."""
    from_bar_ms: int = 0
    """The first bar of the run's session, with which its account begins."""

    @property
    def instrument_of_user(self) -> tuple[UUID, int, str]:
        return self.user_id, self.instrument.market_id, self.instrument.symbol

    @property
    def arguments(self) -> tuple[UUID, int, str, UUID | None, int]:
        return *self.instrument_of_user, self.run_id, self.from_bar_ms


class Halt(NamedTuple):
    """The end of a run's orders."""

    reason: str
    at: datetime


class OrderStore:
    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def add(self, request: OrderRequest) -> Order:
        """Keep an order before anything of it is sent; the same one again is the one there is.

        Raises:
            Conflict: another order has its run, bar and intent, or its run may send nothing.
        """
        place, fields = request.instrument, request.model_dump()
        values = [fields[name] for name in _FIELDS]
        async with self._postgres.transaction() as transaction:
            halt = await transaction.fetch_one("halt_of_run", request.run_id)
            if halt is not None:
                raise Conflict(
                    f"run {request.run_id} sends no order since {halt['at']:%Y-%m-%d %H:%M}: {halt['reason']}"
                )
            added = await transaction.fetch_one(
                "add_order", request.client_order_id, *values[:3], place.market_id, place.symbol, *values[3:]
            )
            if added is not None:
                await transaction.fetch(
                    "add_order_event", request.client_order_id, 1, None, OrderState.NEW, "the run asks for it"
                )
        known = await self.get(request.client_order_id)
        if known.request != request:
            raise Conflict(f"order {request.client_order_id} is there already, and asks for something else")
        return known

    async def get(self, client_order_id: str) -> Order:
        order = await self.find(client_order_id)
        if order is None:
            raise NotFound(f"there is no order {client_order_id}")
        return order

    async def find(self, client_order_id: str) -> Order | None:
        row = await self._postgres.fetch_one("get_order", client_order_id)
        return _order(row) if row else None

    async def in_flight(self, place: Place) -> Sequence[Order]:
        return [_order(row) for row in await self._postgres.fetch("orders_in_flight", *place.arguments)]

    async def of_run(self, run_id: UUID) -> Sequence[Order]:
        return [_order(row) for row in await self._postgres.fetch("orders_of_run", run_id)]

    async def made_for_bar(self, run_id: UUID, signal_bar_ms: int) -> int:
        row = await self._postgres.fetch_one("count_orders_of_bar", run_id, signal_bar_ms)
        return int(row["orders"]) if row else 0

    async def move(
        self,
        order: Order,
        state: OrderState,
        cause: str,
        *,
        valid_until_ms: int | None = None,
        venue_order_id: str | None = None,
    ) -> Order:
        """Take an order from the state in which it was read to the next.

        Raises:
            Conflict: it is in another state by now, or the table has no such transition.
        """
        client_order_id = order.request.client_order_id
        require_transition(order.state, state)
        async with self._postgres.transaction() as transaction:
            row = await transaction.fetch_one("lock_order", client_order_id)
            if row is None or row["state"] != order.state or row["valid_until_ms"] != order.valid_until_ms:
                raise Conflict(f"order {client_order_id} is no longer {order.state}: somebody else moved it")
            number = row["last_event"] + 1
            await transaction.fetch("add_order_event", client_order_id, number, order.state, state, cause[:300])
            await transaction.fetch("move_order", client_order_id, state, number, valid_until_ms, venue_order_id)
        return await self.get(client_order_id)

    async def add_fill(self, place: Place, fill: Fill, client_order_id: str) -> bool:
        """Keep a fill; False where it was told before.

        Raises:
            Conflict: it was told before, and of another order, price or quantity.
        """
        row = await self._postgres.fetch_one(
            "add_fill",
            *place.instrument_of_user,
            fill.fill_id,
            client_order_id,
            fill.side,
            fill.price,
            fill.quantity,
            fill.fee,
            fill.fee_asset,
            fill.liquidity,
            fill.at_ms,
        )
        if row is not None:
            return True
        known = await self._postgres.fetch_one("get_fill", *place.instrument_of_user, fill.fill_id, fill.side)
        told = {"client_order_id": client_order_id, "price": fill.price, "quantity": fill.quantity}
        if known is None or any(known[name] != value for name, value in told.items()):
            raise Conflict(f"the exchange tells the fill {fill.fill_id} otherwise than before")
        return False

    async def order_of(self, place: Place, venue_order_id: str) -> str | None:
        row = await self._postgres.fetch_one("order_of_venue", *place.arguments, venue_order_id)
        return str(row["client_order_id"]) if row else None

    async def position(self, place: Place) -> Decimal:
        row = await self._postgres.fetch_one("position_of_account", *place.arguments)
        return Decimal(row["quantity"]) if row else Decimal(0)

    async def halt(self, run_id: UUID, reason: str) -> None:
        """Let a run make no order any more; the first reason stays."""
        async with self._postgres.transaction() as transaction:
            await _note_halts(transaction, await transaction.fetch("halt_run", run_id, reason[:300]))

    async def halt_all(self, place: Place, reason: str) -> None:
        """Halt every run that has orders in the account, or has it to itself."""
        if place.run_id is not None:  # it has the account to itself, even before its first order
            await self.halt(place.run_id, reason)
            return
        async with self._postgres.transaction() as transaction:
            halted = await transaction.fetch("halt_runs_at", *place.instrument_of_user, reason[:300])
            await _note_halts(transaction, halted)

    async def note(self, user_id: UUID, event: Event, **details: str) -> None:
        """Write an event of the audit trail."""
        async with self._postgres.transaction() as transaction:
            await record(transaction, user_id, event, **details)

    async def halt_of(self, run_id: UUID) -> Halt | None:
        row = await self._postgres.fetch_one("halt_of_run", run_id)
        return Halt(**row) if row else None


async def _note_halts(transaction: Transaction, halted: Sequence[dict[str, Any]]) -> None:
    for row in halted:
        await record(
            transaction, row["user_id"], "run_halted", run_id=str(row["run_id"]), reason=str(row["reason"])
        )


def _order(row: dict[str, Any]) -> Order:
    request = OrderRequest(
        instrument=Instrument(market_id=row["market_id"], symbol=row["symbol"]),
        **{name: row[name] for name in _FIELDS},
    )
    return Order(
        request=request,
        state=OrderState(row["state"]),
        valid_until_ms=row["valid_until_ms"],
        venue_order_id=row["venue_order_id"],
        filled=row["filled"],
    )
