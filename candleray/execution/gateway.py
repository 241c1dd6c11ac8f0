"""The contract of whatever sends orders: its calls, and the three ways in which one can fail.

`tests/support/execution/conformance.py` is what an implementation must pass. None reaches an exchange.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from candleray.errors import Forbidden
from candleray.execution.fills import Balance, Fill, Position
from candleray.execution.orders import OrderReport, OrderRequest
from candleray.markets import Instrument
from candleray.validation import Model

VALIDITY_MS = 5_000
"""Time for which an exchange takes a request that was signed. Later it cannot have an effect any more."""


class KeyPermissions(Model):
    """Permissions of an API key."""

    can_trade: bool
    can_withdraw: bool


class Gateway(Protocol):
    """Orders of one account at one market.

    Raises:
        OrderRejected: final; what was asked for has no effect and never will.
        OrderNotTaken: no effect this time; it may be sent again after `retry_after_s`.
        OutcomeUnknown: it may have had its effect, or still have it until `valid_until_ms`: ask, never assume.
    """

    async def now_ms(self) -> int:
        """The exchange's clock, never ahead of it."""

    async def permissions(self) -> KeyPermissions: ...

    async def place(self, request: OrderRequest, valid_until_ms: int) -> OrderReport:
        """Send an order that the exchange takes until that moment of its clock, and not later."""

    async def cancel(self, instrument: Instrument, client_order_id: str) -> None:
        """Ask for the end of an order. OrderRejected where there is none that is open."""

    async def open_orders(self, instrument: Instrument) -> Sequence[OrderReport]: ...

    async def order(self, instrument: Instrument, client_order_id: str) -> OrderReport | None:
        """One order, whatever its state; None where the exchange has none of that id."""

    async def fills_since(self, instrument: Instrument, since_ms: int) -> Sequence[Fill]:
        """Every fill at or after that moment, the oldest first."""

    async def position(self, instrument: Instrument) -> Position: ...

    async def balances(self) -> Sequence[Balance]: ...


async def require_harmless_key(gateway: Gateway) -> None:
    """Refuse a key that could do more than trade.

    Raises:
        Forbidden: it may withdraw, or may not trade.
    """
    found = await gateway.permissions()
    if found.can_withdraw:
        raise Forbidden("this API key may withdraw: make one at the exchange that may trade and nothing else")
    if not found.can_trade:
        raise Forbidden("this API key may not trade: allow it at the exchange, and nothing else")
