"""Way from where a run stands to its target: the one order that brings it nearer, by a pure function.

Never more than one order of a run and side is in flight. A position turns in two orders: what closes it may only
reduce, so that it can never open the other side by being too large.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from candleray.execution.order_filters import OrderFilters
from candleray.execution.orders import Order, OrderRequest, Side
from candleray.markets import Instrument


@dataclass(frozen=True)
class Standing:
    """Facts about a run at a bar: `made` counts the orders of this bar, `price` is the last one."""

    run_id: UUID
    instrument: Instrument
    signal_bar_ms: int
    position: Decimal
    price: Decimal
    made: int = 0


@dataclass(frozen=True)
class Plan:
    """Steps to do now: one request at most; ids of orders that stand in the way are cancelled first."""

    request: OrderRequest | None = None
    cancel: tuple[str, ...] = ()


def plan_towards(target: Decimal, at: Standing, in_flight: Sequence[Order], filters: OrderFilters) -> Plan:
    """The next step to a target position; an empty plan where there is none, or while an order is in flight."""
    distance = target - at.position
    side = Side.BUY if distance > 0 else Side.SELL
    contrary = tuple(
        order.request.client_order_id for order in in_flight if not distance or order.request.side is not side
    )
    if contrary:
        return Plan(cancel=contrary)
    if in_flight or not distance:
        return Plan()
    reduces = at.position * distance < 0
    wanted = min(abs(distance), abs(at.position)) if reduces else abs(distance)
    quantity = filters.quantity(wanted)
    if not filters.is_large_enough(quantity, at.price, reduce_only=reduces):
        return Plan()
    return Plan(
        OrderRequest(
            run_id=at.run_id,
            signal_bar_ms=at.signal_bar_ms,
            intent=f"{'reduce' if reduces else 'increase'}-{at.made + 1}",
            instrument=at.instrument,
            side=side,
            quantity=quantity,
            reduce_only=reduces,
        )
    )
