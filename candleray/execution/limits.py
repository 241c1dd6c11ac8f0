"""Limits of a run's orders: what it may trade, how much at once, how often. A breach refuses the order."""

from __future__ import annotations

from collections import deque
from decimal import Decimal

from pydantic import Field

from candleray.errors import GuardExceeded, Problem
from candleray.execution.orders import Amount, OrderRequest
from candleray.validation import Model


class ExecutionLimits(Model):
    """Limits of one run."""

    symbols: frozenset[str]
    largest_notional: Amount = Decimal(10_000)
    """Worth of the largest order, in the quote asset."""
    orders_a_minute: int = Field(6, ge=1, le=600)


class LimitWatch:
    """The orders of one run beside its limits; reducing is never counted as too large or too often."""

    def __init__(self, limits: ExecutionLimits) -> None:
        self._limits = limits
        self._made_ms: deque[int] = deque()

    def require(self, request: OrderRequest, price: Decimal, now_ms: int) -> None:
        """Count an order.

        Raises:
            GuardExceeded: with the value and the limit.
        """
        symbol, notional = request.instrument.symbol, request.quantity * (request.limit_price or price)
        if symbol not in self._limits.symbols:
            raise _breach("symbols", f"{symbol} is not among the allowed symbols of this run")
        while self._made_ms and self._made_ms[0] <= now_ms - 60_000:
            self._made_ms.popleft()
        if not request.reduce_only:
            if notional > self._limits.largest_notional:
                raise _breach(
                    "largest_notional",
                    f"an order worth {notional} is above the largest, {self._limits.largest_notional}",
                )
            if len(self._made_ms) >= self._limits.orders_a_minute:
                raise _breach(
                    "orders_a_minute", f"{self._limits.orders_a_minute} orders were made within a minute"
                )
        self._made_ms.append(now_ms)


def _breach(field: str, message: str) -> GuardExceeded:
    return GuardExceeded(message, [Problem(field, "execution_limit", message)])
