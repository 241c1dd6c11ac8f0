"""Orders and fills of a run on paper, in pages. Quantities and prices are decimals, which JSON has as texts."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from candleray.execution.orders import Amount, OrderState, OrderType, Side
from candleray.timeframes import Moment
from candleray.validation import Model


class RunOrder(Model):
    """An order, and how far it is."""

    number: int
    """Counted from 1 within the run."""
    session: int
    client_order_id: str
    """Derived of the run, the bar and the intent: the same order can never have two."""
    ts_open: Moment
    """Opening time of the bar whose close led to it."""
    intent: str
    """`increase` or `reduce`, and its number among the orders of the bar."""
    side: Side
    type: OrderType
    quantity: Amount
    filled: Decimal
    state: OrderState
    cause: str
    """The reason of its state."""
    made_at: Moment


class OrderPage(Model):
    """Orders of a run, the oldest first."""

    orders: tuple[RunOrder, ...]
    halted: str | None = None
    """The reason that the run makes no order any more; `null` where it does."""
    next_after: int | None = None
    """The `after` of the next page; `null` where there are no more yet."""


class RunHalt(Model):
    """The end of a run's orders, for good."""

    run_id: UUID
    reason: str
    at: Moment


class RunFill(Model):
    """A fill at the close of a bar, and the account after it."""

    number: int
    """Counted from 1 within the run."""
    session: int
    client_order_id: str
    side: Side
    price: Amount
    """The close of the bar, moved by the slippage."""
    quantity: Amount
    fee_quote: Decimal
    position: Decimal
    """The quantity that is held after it: above zero long, below short."""
    balance_quote: Decimal
    """The cash with all that closed positions have gained, less all fees: the equity where nothing is held."""
    at: Moment


class FillPage(Model):
    """Fills of a run, the oldest first."""

    fills: tuple[RunFill, ...]
    next_after: int | None = None
    """The `after` of the next page; `null` where there are no more yet."""
