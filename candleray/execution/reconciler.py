"""Comparison of our orders and fills with the exchange's: at the start, after every doubt, every minute.

What is there is adopted. What is absent is sent again only where it is provably absent: its time had run out by
the exchange's own clock before it was looked for. What nothing explains, for as long as an exchange may take to
find its own orders, halts every run of the account at that instrument.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from candleray.errors import OrderNotTaken, OrderRejected, OutcomeUnknown
from candleray.execution.gateway import VALIDITY_MS, Gateway
from candleray.execution.orders import TRANSITIONS, Order, OrderReport, OrderState
from candleray.execution.sender import Sender
from candleray.execution.store import OrderStore, Place

SETTLING_MS = 2_000
"""Time that an exchange may take until what it did is in what it answers."""

_MAYBE_SENT = (OrderState.SENT, OrderState.UNKNOWN)


@dataclass(frozen=True)
class Reconciled:
    """Outcome of one look: whether all is settled, and what could not be explained."""

    is_settled: bool
    unexplained: str | None = None


class Reconciler:
    def __init__(self, store: OrderStore, gateway: Gateway, place: Place) -> None:
        self._store, self._gateway, self._place = store, gateway, place
        self._sender = Sender(store, gateway)
        self._seen_ms: dict[str, int] = {}

    async def reconcile(self) -> Reconciled:
        """Bring our rows to what the exchange has.

        Raises:
            ExchangeError: it does not answer; nothing was assumed.
        """
        orders = await self._store.in_flight(self._place)
        # Asked before anything is looked for: what was valid until an earlier moment cannot come any more.
        now_ms = await self._gateway.now_ms()
        open_ = {each.client_order_id: each for each in await self._gateway.open_orders(self._place.instrument)}
        reports = {order.request.client_order_id: await self._report(order, open_) for order in orders}
        await self._cancel_halted(orders, reports)
        unexplained = await self._stranger(open_) or await self._take_fills(orders, reports)
        for order in [] if unexplained else orders:
            unexplained = unexplained or await self._settle(order, reports[order.request.client_order_id], now_ms)
        unexplained = self._lasting(unexplained or await self._position_differs(), now_ms)
        if unexplained:
            await self._store.halt_all(self._place, unexplained)
        return Reconciled(not self._seen_ms and not await self._store.in_flight(self._place), unexplained)

    def _lasting(self, unexplained: str | None, now_ms: int) -> str | None:
        """Keep words that were said before too, for so long that no late answer is the reason."""
        self._seen_ms = {unexplained: self._seen_ms.get(unexplained, now_ms)} if unexplained else {}
        return unexplained if any(now_ms > ms + SETTLING_MS for ms in self._seen_ms.values()) else None

    async def _report(self, order: Order, open_: Mapping[str, OrderReport]) -> OrderReport | None:
        client_order_id = order.request.client_order_id
        if order.state is OrderState.NEW:
            return None
        return open_.get(client_order_id) or await self._gateway.order(self._place.instrument, client_order_id)

    async def _is_halted(self, order: Order) -> bool:
        return await self._store.halt_of(order.request.run_id) is not None

    async def _cancel_halted(self, orders: Sequence[Order], reports: Mapping[str, OrderReport | None]) -> None:
        """Ask for the end of what halted runs have open; whether it came in time is seen the next time."""
        for order in orders:
            report = reports[order.request.client_order_id]
            if report is not None and not report.is_over and await self._is_halted(order):
                with suppress(OrderRejected, OrderNotTaken, OutcomeUnknown):
                    await self._gateway.cancel(self._place.instrument, report.client_order_id)

    async def _stranger(self, open_: Mapping[str, OrderReport]) -> str | None:
        """An open order of the exchange without a row of ours."""
        for name in sorted(open_):
            if await self._store.find(name) is None:
                return f"the exchange has the open order {name[:40]!r}, which is none of ours"
        return None

    async def _take_fills(self, orders: Sequence[Order], reports: Mapping[str, OrderReport | None]) -> str | None:
        """Keep every fill since the oldest order in flight was sent, each once."""
        sent_ms = [order.valid_until_ms for order in orders if order.valid_until_ms is not None]
        if not sent_ms:
            return None
        ours = {report.venue_order_id: name for name, report in reports.items() if report}
        # The clock that was told may be ahead of the one that stamps fills.
        since_ms = min(sent_ms) - VALIDITY_MS - SETTLING_MS
        for fill in await self._gateway.fills_since(self._place.instrument, since_ms):
            name = ours.get(fill.venue_order_id) or await self._store.order_of(self._place, fill.venue_order_id)
            if name is None and fill.client_order_id in reports:
                name = fill.client_order_id
            if name is None:
                return f"the exchange has the fill {fill.fill_id} of an order that is none of ours"
            await self._store.add_fill(self._place, fill, name)
        return None

    async def _settle(self, order: Order, report: OrderReport | None, now_ms: int) -> str | None:
        """Bring one order to what was reported of it; words where that cannot be."""
        if order.state is OrderState.NEW:
            await self._send_unless_halted(order, "it was not sent before")
        elif report is not None:
            return await self._adopt(order, report)
        elif order.state in _MAYBE_SENT:
            await self._look_after_absent(order, now_ms)
        else:
            return f"the exchange has lost the order {order.request.client_order_id}, which it had acknowledged"
        return None

    async def _look_after_absent(self, order: Order, now_ms: int) -> None:
        until_ms = order.valid_until_ms
        assert until_ms is not None
        if order.state is OrderState.SENT:
            order = await self._store.move(order, OrderState.UNKNOWN, "nobody knows whether it arrived")
        if now_ms > until_ms + SETTLING_MS:
            await self._send_unless_halted(order, "it is absent, and its time was over")

    async def _send_unless_halted(self, order: Order, cause: str) -> None:
        if await self._is_halted(order):
            await self._store.move(order, OrderState.REJECTED, f"{cause}; its run is halted")
        else:
            await self._sender.send(order, cause)

    async def _adopt(self, order: Order, report: OrderReport) -> str | None:
        if (report.side, report.quantity) != (order.request.side, order.request.quantity):
            return f"the exchange has another order under the id {report.client_order_id}"
        have = (await self._store.get(order.request.client_order_id)).filled
        state = report.state
        if have < report.filled and report.is_over:
            state = OrderState.PARTIALLY_FILLED if have else OrderState.ACKNOWLEDGED  # its fills come next time
        if state is not order.state and state not in TRANSITIONS[order.state] and report.is_over:
            return f"the exchange says that {report.client_order_id}, {order.state} here, is {state}"
        if state not in TRANSITIONS[order.state]:
            return None
        await self._store.move(order, state, "the exchange says so", venue_order_id=report.venue_order_id)
        return None

    async def _position_differs(self) -> str | None:
        """Compare positions where nothing is in flight, so that neither side is about to move."""
        if await self._store.in_flight(self._place):
            return None
        ours = await self._store.position(self._place)
        theirs = (await self._gateway.position(self._place.instrument)).quantity
        if ours == theirs:
            return None
        return f"the exchange holds {theirs.normalize():f}, our fills make {ours.normalize():f}"
