"""An order: what is asked for, the table of its states, and what an exchange reports of one.

Numbers are decimals here, as the exchanges write them: a price that is off its tick by a bit is refused there.
`docs/explanation/execution.md` draws the table, and the database takes no transition that is not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated
from uuid import UUID

from pydantic import Field, model_validator

from candleray.errors import Conflict, Problem
from candleray.execution.client_order_ids import Intent, client_order_id
from candleray.markets import Instrument
from candleray.validation import Model

Amount = Annotated[Decimal, Field(gt=0, allow_inf_nan=False)]


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        return 1 if self is Side.BUY else -1


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"


class TimeInForce(StrEnum):
    GTC = "gtc"
    IOC = "ioc"


class OrderState(StrEnum):
    NEW = "new"
    SENT = "sent"
    UNKNOWN = "unknown"
    ACKNOWLEDGED = "acknowledged"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"


_AT_THE_VENUE = frozenset({OrderState.ACKNOWLEDGED, OrderState.PARTIALLY_FILLED})
_OVER = frozenset({OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED, OrderState.EXPIRED})

TRANSITIONS: Mapping[OrderState, frozenset[OrderState]] = MappingProxyType(
    {
        OrderState.NEW: frozenset({OrderState.SENT, OrderState.REJECTED}),
        # Back to new only where the venue said that it took nothing: too many requests, a clock that is off.
        OrderState.SENT: _AT_THE_VENUE | _OVER | {OrderState.UNKNOWN, OrderState.NEW},
        # Sent again only where the venue can no longer take what was sent, and has no such order.
        OrderState.UNKNOWN: _AT_THE_VENUE | _OVER | {OrderState.SENT},
        OrderState.ACKNOWLEDGED: _OVER | {OrderState.PARTIALLY_FILLED},
        OrderState.PARTIALLY_FILLED: _OVER - {OrderState.REJECTED},
        **{state: frozenset() for state in _OVER},
    }
)

IN_FLIGHT = tuple(state for state in OrderState if TRANSITIONS[state])
"""States of an order that may still have an effect: at most one of a run and side, which the database enforces."""


def require_transition(before: OrderState, after: OrderState) -> None:
    """Raises Conflict where the table has no such transition; the message names those that it has."""
    if after not in TRANSITIONS[before]:
        allowed = ", ".join(sorted(TRANSITIONS[before])) or "nothing, it is over"
        message = f"an order that is {before} does not become {after}; allowed: {allowed}"
        raise Conflict(message, [Problem("state", "not_allowed", message)])


class OrderRequest(Model):
    """An order as a run asks for it; the same run, bar and intent are the same order, however often it is sent."""

    run_id: UUID
    signal_bar_ms: int = Field(ge=0)
    """Opening time of the bar whose close gave the signal, in ms since the epoch."""
    intent: Intent
    instrument: Instrument
    side: Side
    type: OrderType = OrderType.MARKET
    quantity: Amount
    limit_price: Amount | None = None
    stop_price: Amount | None = None
    reduce_only: bool = False
    time_in_force: TimeInForce = TimeInForce.GTC

    @model_validator(mode="after")
    def _has_the_prices_of_its_type(self) -> OrderRequest:
        for name, kind in (("limit_price", OrderType.LIMIT), ("stop_price", OrderType.STOP)):
            if (getattr(self, name) is not None) != (self.type is kind):
                needs = "needs" if self.type is kind else "has no"
                raise ValueError(f"a {self.type} order {needs} {name}")
        return self

    @property
    def client_order_id(self) -> str:
        return client_order_id(self.run_id, self.signal_bar_ms, self.intent)


class OrderReport(Model):
    """An order as an exchange reports it."""

    client_order_id: str
    venue_order_id: str
    symbol: str
    side: Side
    state: OrderState
    """Never `new`, `sent` or `unknown`, which are ours."""
    quantity: Decimal
    filled: Decimal

    @property
    def is_over(self) -> bool:
        return not TRANSITIONS[self.state]


class Order(Model):
    """An order as we keep it."""

    request: OrderRequest
    state: OrderState
    valid_until_ms: int | None = None
    """The last moment, by the exchange's clock, at which it takes what was sent last; null before."""
    venue_order_id: str | None = None
    filled: Decimal = Decimal(0)
    """The sum of its fills."""

    @property
    def is_in_flight(self) -> bool:
        return self.state in IN_FLIGHT
