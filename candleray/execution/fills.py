"""Results of orders at an exchange: fills, positions, balances."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import Field

from candleray.execution.orders import Amount, Side
from candleray.validation import Model


class Fill(Model):
    """A part of an order that was traded; its exchange's id makes it count once, however often it is told."""

    fill_id: str = Field(min_length=1, max_length=64)
    venue_order_id: str
    client_order_id: str
    """Empty where the exchange does not name it."""
    symbol: str
    side: Side
    price: Amount
    quantity: Amount
    fee: Decimal
    fee_asset: str
    liquidity: Literal["maker", "taker"]
    at_ms: int

    @property
    def signed_quantity(self) -> Decimal:
        return self.side.sign * self.quantity


class Position(Model):
    """Quantity held of an instrument: above zero long, below short."""

    symbol: str
    quantity: Decimal


class Balance(Model):
    asset: str
    total: Decimal
    available: Decimal
