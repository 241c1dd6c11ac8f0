"""The way of an order to its exchange: its row, then the moment until which it may be taken, then the request.

After a kill between any two lines the row says what the reconciler needs: `new` was never sent, `sent` perhaps.
"""

from __future__ import annotations

from candleray.errors import OrderNotTaken, OrderRejected, OutcomeUnknown, first_line
from candleray.execution.gateway import VALIDITY_MS, Gateway
from candleray.execution.orders import Order, OrderReport, OrderRequest, OrderState
from candleray.execution.store import OrderStore


class Sender:
    def __init__(self, store: OrderStore, gateway: Gateway) -> None:
        self._store, self._gateway = store, gateway

    async def submit(self, request: OrderRequest) -> Order:
        """Keep an order and send it once; one that is there already is returned as it stands."""
        order = await self._store.add(request)
        return await self.send(order) if order.state is OrderState.NEW else order

    async def send(self, order: Order, cause: str = "it is sent") -> Order:
        """Send an order that is new, or unknown and provably absent."""
        until_ms = await self._gateway.now_ms() + VALIDITY_MS
        order = await self._store.move(order, OrderState.SENT, cause, valid_until_ms=until_ms)
        try:
            report = await self._gateway.place(order.request, until_ms)
        except OrderRejected as exc:
            return await self._store.move(order, OrderState.REJECTED, first_line(exc))
        except OrderNotTaken as exc:
            return await self._store.move(order, OrderState.NEW, first_line(exc))
        except OutcomeUnknown as exc:
            return await self._store.move(order, OrderState.UNKNOWN, first_line(exc))
        return await self._store.move(
            order, _told_at_once(report), "the exchange has it", venue_order_id=report.venue_order_id
        )


def _told_at_once(report: OrderReport) -> OrderState:
    """The state after an acknowledgement: an order that has traded is over once its fills are here."""
    return report.state if not report.filled else OrderState.ACKNOWLEDGED
