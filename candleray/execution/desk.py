"""The desk of one run: the one way from a target position to orders, with the run's limits and its kill switch.

What is refused here is an event of the audit trail.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from candleray.errors import Forbidden, GuardExceeded, OrderNotTaken, OrderRejected, OutcomeUnknown
from candleray.execution.gateway import Gateway, require_harmless_key
from candleray.execution.intents import Standing, plan_towards
from candleray.execution.limits import LimitWatch
from candleray.execution.order_filters import OrderFilters
from candleray.execution.orders import Order, OrderRequest
from candleray.execution.reconciler import Reconciler
from candleray.execution.sender import Sender
from candleray.execution.store import OrderStore, Place


@dataclass(frozen=True)
class Signal:
    """A closed bar's target, and the price of the moment."""

    bar_ms: int
    target: Decimal
    price: Decimal


class Desk:
    """Orders of one run, which has the account to itself."""

    def __init__(
        self,
        store: OrderStore,
        gateway: Gateway,
        place: Place,
        run_id: UUID,
        filters: OrderFilters,
        limits: LimitWatch,
    ) -> None:
        self._store, self._gateway, self._place, self._run_id = store, gateway, place, run_id
        self._filters, self._limits = filters, limits
        self._sender, self._reconciler = Sender(store, gateway), Reconciler(store, gateway, place)

    async def begin(self) -> None:
        """Look at the key and at what an earlier process has left.

        Raises:
            Forbidden: the key may withdraw, or may not trade.
        """
        try:
            await require_harmless_key(self._gateway)
        except Forbidden as exc:
            await self._store.note(self._place.user_id, "key_refused", reason=exc.message)
            raise
        await self._reconciler.reconcile()

    async def step(self, signal: Signal) -> Order | None:
        """Reconcile, then take the next step towards the target; return the order that was made.

        Raises:
            GuardExceeded: the order that leads there is beyond a limit of the run.
            Conflict: the run is halted.
        """
        await self._reconciler.reconcile()
        # Counted before anything else is looked at: whoever makes an order meanwhile takes this number.
        made = await self._store.made_for_bar(self._run_id, signal.bar_ms)
        in_flight = await self._store.in_flight(self._place)
        position = await self._store.position(self._place)
        standing = Standing(self._run_id, self._place.instrument, signal.bar_ms, position, signal.price, made)
        plan = plan_towards(signal.target, standing, in_flight, self._filters)
        for client_order_id in plan.cancel:
            await self._cancel(client_order_id)
        return None if plan.request is None else await self._submit(plan.request, signal.price)

    async def look(self) -> None:
        """Reconcile, and order nothing."""
        await self._reconciler.reconcile()

    async def kill(self, reason: str) -> None:
        """Halt the run for good and end what it has open; its position stays as it is."""
        await self._store.halt(self._run_id, reason)
        await self._reconciler.reconcile()

    async def _submit(self, request: OrderRequest, price: Decimal) -> Order:
        self._filters.require(request, price)
        try:
            self._limits.require(request, price, await self._gateway.now_ms())
        except GuardExceeded as exc:
            await self._store.note(
                self._place.user_id, "order_refused", run_id=str(self._run_id), reason=exc.message
            )
            raise
        return await self._sender.submit(request)

    async def _cancel(self, client_order_id: str) -> None:
        """Ask for the end of an order; what came of it the next look tells."""
        try:
            await self._gateway.cancel(self._place.instrument, client_order_id)
        except (OrderRejected, OrderNotTaken, OutcomeUnknown):
            return
