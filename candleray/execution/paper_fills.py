"""Fills at the paper exchange, and what they do to the account of a run's session there.

Prices and fees are those of a backtest that fills at closes: the close, moved by the slippage against who trades,
and a share of what is paid. What `kernels/simulation/accounts.py` does with money in floats is done in decimals
here, for which a float's shortest text is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from candleray.errors import OrderRejected
from candleray.execution.fills import Fill
from candleray.execution.order_filters import OrderFilters
from candleray.execution.orders import Amount, OrderReport, OrderRequest, OrderState, OrderType, Side
from candleray.validation import Model
from kernels.simulation.accounts import entry_fill

PAPER_FILTERS = OrderFilters(tick=Decimal("1e-30"), step=Decimal("1e-30"), least_notional=Decimal(0))
"""A backtest knows no ticks, steps and least notionals: any quantity of a float's digits is taken as it is."""

ROUNDING = Decimal("1e-9")
"""The share by which an entry may cost more than there is: its quantity was computed in floats."""


def exact(value: float) -> Decimal:
    return Decimal(repr(float(value)))


@dataclass(frozen=True)
class PaperTerms:
    """The cash that an account begins with, and what trading costs."""

    cash: float
    fee: float
    """The share of what is paid."""
    slippage: float
    """The share of a close by which a fill is worse."""

    def price(self, side: Side, close: float) -> Decimal:
        return exact(entry_fill(float(side.sign), close, self.slippage))


class PaperLine(Model):
    """An order that the exchange has taken, and the account after it."""

    number: int
    """Counted from 1 within the account."""
    client_order_id: str
    symbol: str
    side: Side
    asked: Amount
    filled: Amount
    price: Amount
    fee: Decimal
    at_ms: int
    position: Decimal
    entry_price: Decimal
    """The average price of what is held; 0 for nothing."""
    balance: Decimal
    """The cash, with all that closed positions have gained, less all fees."""

    @property
    def venue_order_id(self) -> str:
        return f"paper-{self.client_order_id}"

    @property
    def report(self) -> OrderReport:
        return OrderReport(
            client_order_id=self.client_order_id,
            venue_order_id=self.venue_order_id,
            symbol=self.symbol,
            side=self.side,
            state=OrderState.FILLED if self.filled == self.asked else OrderState.EXPIRED,
            quantity=self.asked,
            filled=self.filled,
        )

    @property
    def fill(self) -> Fill:
        return Fill(
            fill_id=self.client_order_id,
            venue_order_id=self.venue_order_id,
            client_order_id=self.client_order_id,
            symbol=self.symbol,
            side=self.side,
            price=self.price,
            quantity=self.filled,
            fee=self.fee,
            fee_asset="quote",
            liquidity="taker",
            at_ms=self.at_ms,
        )


class ClosedBar(NamedTuple):
    """The end of a live bar."""

    at_ms: int
    """The moment of its close."""
    close: float
    takes_back: bool = False
    """An order here takes the one before it back: at its price, with its fee."""


def executed(
    request: OrderRequest, last: PaperLine | None, terms: PaperTerms, bar: ClosedBar, now_ms: int
) -> PaperLine:
    """The line of an order at the close of a bar, behind the account's last one.

    Raises:
        OrderRejected: it is no market order, has nothing to reduce, or costs more than there is.
    """
    if request.type is not OrderType.MARKET:
        raise OrderRejected(f"a {request.type} order: on paper orders fill at closes, as market orders do")
    held, entry_price, balance = (
        (last.position, last.entry_price, last.balance) if last else (Decimal(0), Decimal(0), exact(terms.cash))
    )
    price, sign = terms.price(request.side, bar.close), request.side.sign
    closing = min(request.quantity, abs(held)) if held * sign < 0 else Decimal(0)
    opening = Decimal(0) if request.reduce_only else request.quantity - closing
    if not closing + opening:
        raise OrderRejected("the order may only reduce a position, and there is none of the other side")
    fee = exact(terms.fee) * (closing + opening) * price
    if bar.takes_back and last:
        price, fee = last.price, -last.fee
    # Whoever has lost more than there is owes nothing: a backtest ends such an account at 0.
    balance = max(Decimal(0), balance - sign * closing * (price - entry_price) - fee)
    position = held + sign * (closing + opening)
    kept = abs(held) - closing
    if kept + opening:
        entry_price = (kept * entry_price + opening * price) / (kept + opening)
    _require_cash(opening * price, kept * entry_price, balance)
    return PaperLine(
        number=last.number + 1 if last else 1,
        client_order_id=request.client_order_id,
        symbol=request.instrument.symbol,
        side=request.side,
        asked=request.quantity,
        filled=closing + opening,
        price=price,
        fee=fee,
        # Later than the one before, so that fills have an order.
        at_ms=max(now_ms, last.at_ms + 1) if last else now_ms,
        position=position,
        entry_price=entry_price if position else Decimal(0),
        balance=balance,
    )


def _require_cash(opening: Decimal, kept: Decimal, balance: Decimal) -> None:
    free = balance - kept
    if opening > max(free, Decimal(0)) * (1 + ROUNDING):
        raise OrderRejected(f"an order worth {opening:f} is more than the {free:f} that the account has left")
