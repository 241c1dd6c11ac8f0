"""Orders of one account at one market, matched against the market's candles.

A market order trades at the price of the moment, as much as a part of its minute's volume gives; the rest expires.
A limit order waits for a minute that trades through its price, a stop for one that reaches it. All in decimals.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from itertools import count
from typing import Literal

from candleray.candles import CandleRows
from candleray.execution.order_filters import OrderFilters, on_grid
from candleray.markets import InstrumentReference, Market
from candleray.timeframes import MINUTE_MS

Status = Literal["new", "partially_filled", "filled", "cancelled", "expired"]
Reason = Literal["tick", "step", "notional", "margin", "reduce_only", "duplicate", "no_such_order", "symbol"]
Candles = Callable[[str, int, int], CandleRows]

START_BALANCE = Decimal(1_000_000)
_LEVERAGE = 10
_SHARE_OF_A_MINUTE = Decimal("0.02")
"""Part of a minute's volume that one account can have of it."""
_MAKER_SHARE = Decimal("0.5")
"""Part of the taker's fee that a maker pays."""


class OrderRefused(Exception):
    """A venue refuses an order; its dialect has the words."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


@dataclass
class VenueOrder:
    """An order as the venue has it; `seen_ms` is the end of the last minute that it was matched against."""

    client_order_id: str
    symbol: str
    is_buy: bool
    quantity: Decimal
    limit: Decimal | None = None
    stop: Decimal | None = None
    reduce_only: bool = False
    is_ioc: bool = False
    step: Decimal = Decimal(1)
    order_id: int = 0
    status: Status = "new"
    filled: Decimal = Decimal(0)
    quote: Decimal = Decimal(0)
    created_ms: int = 0
    updated_ms: int = 0
    seen_ms: int = 0

    @property
    def is_open(self) -> bool:
        return self.status in ("new", "partially_filled")

    @property
    def left(self) -> Decimal:
        return self.quantity - self.filled


@dataclass(frozen=True)
class VenueFill:
    fill_id: int
    order: VenueOrder
    price: Decimal
    quantity: Decimal
    fee: Decimal
    is_maker: bool
    at_ms: int


@dataclass
class OrderBook:
    """One account's orders; `forgets_ids` where an id may come again once its order is over, as at Binance."""

    market: Market
    forgets_ids: bool
    orders: list[VenueOrder] = field(default_factory=list)
    fills: list[VenueFill] = field(default_factory=list)
    positions: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    balance: Decimal = START_BALANCE
    _taken: dict[tuple[str, int], Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    _ids: count[int] = field(default_factory=lambda: count(1_000_001))

    def place(
        self, order: VenueOrder, instrument: InstrumentReference, candles: Candles, now_ms: int
    ) -> VenueOrder:
        """Take an order and match it at once; raises `OrderRefused`."""
        self.advance(candles, now_ms)
        minute_ms = now_ms // MINUTE_MS * MINUTE_MS
        price, available = self._offer(order.symbol, minute_ms, instrument, candles)
        self._check(order, instrument, price)
        order.step = OrderFilters.of(instrument).step
        order.order_id, order.created_ms, order.updated_ms = next(self._ids), now_ms, now_ms
        order.seen_ms = minute_ms + MINUTE_MS
        self.orders.append(order)
        if order.stop is None and (order.limit is None or _is_through(order, price)):
            self._fill(order, price, available, now_ms, is_maker=False)
        if order.is_open and order.stop is None and (order.limit is None or order.is_ioc):
            order.status = "expired"
        return order

    def cancel(self, symbol: str, client_order_id: str, candles: Candles, now_ms: int) -> VenueOrder:
        """End an order, or raise `OrderRefused` where none is open; what it has filled stays."""
        self.advance(candles, now_ms)
        order = self.find(symbol, client_order_id)
        if order is None or not order.is_open:
            raise OrderRefused("no_such_order")
        order.status, order.updated_ms = "cancelled", now_ms
        return order

    def find(self, symbol: str, client_order_id: str) -> VenueOrder | None:
        """The newest order of an id."""
        found = (one for one in reversed(self.orders) if one.client_order_id == client_order_id)
        return next((one for one in found if one.symbol == symbol), None)

    def advance(self, candles: Candles, now_ms: int) -> None:
        """Match what is open against every minute that has ended since."""
        for order in [one for one in self.orders if one.is_open]:
            end_ms = now_ms // MINUTE_MS * MINUTE_MS
            rows = candles(order.symbol, order.seen_ms, max(end_ms, order.seen_ms))
            for index, ts_open_ms in enumerate(rows.ts_open_ms.tolist()):
                if order.is_open:
                    self._match(order, rows, index, int(ts_open_ms))
            order.seen_ms = max(order.seen_ms, end_ms)

    def _match(self, order: VenueOrder, rows: CandleRows, index: int, ts_open_ms: int) -> None:
        _, high, low, _, volume = (Decimal(repr(float(each))) for each in rows.values[:, index])
        at_ms = ts_open_ms + MINUTE_MS - 1
        edge = low if order.is_buy else high
        if order.limit is not None and _is_through(order, edge) and edge != order.limit:
            self._fill(order, order.limit, volume * _SHARE_OF_A_MINUTE, at_ms, is_maker=True)
        far = high if order.is_buy else low
        if order.stop is not None and (far >= order.stop if order.is_buy else far <= order.stop):
            self._fill(order, order.stop, volume * _SHARE_OF_A_MINUTE, at_ms, is_maker=False)
            if order.is_open:
                order.status = "expired"

    def _offer(
        self, symbol: str, minute_ms: int, instrument: InstrumentReference, candles: Candles
    ) -> tuple[Decimal, Decimal]:
        """The price of the moment, and how much there is of it: that of the minute under way, without a fault."""
        rows = candles(symbol, minute_ms, minute_ms + MINUTE_MS)
        if not len(rows):
            raise OrderRefused("symbol")
        filters = OrderFilters.of(instrument)
        price = on_grid(Decimal(repr(float(rows.values[0, 0]))), filters.tick, ROUND_DOWN)
        volume = Decimal(repr(float(rows.values[4, 0]))) * _SHARE_OF_A_MINUTE
        return price, max(Decimal(0), volume - self._taken[symbol, minute_ms])

    def _check(self, order: VenueOrder, instrument: InstrumentReference, price: Decimal) -> None:
        filters = OrderFilters.of(instrument)
        known = self.find(order.symbol, order.client_order_id)
        if known is not None and (known.is_open or not self.forgets_ids):
            raise OrderRefused("duplicate")
        if any(at is not None and at % filters.tick for at in (order.limit, order.stop)):
            raise OrderRefused("tick")
        if order.quantity <= 0 or order.quantity % filters.step:
            raise OrderRefused("step")
        notional = order.quantity * (order.limit or order.stop or price)
        if notional < filters.least_notional and not order.reduce_only:
            raise OrderRefused("notional")
        if order.reduce_only and not self._reducible(order):
            raise OrderRefused("reduce_only")
        if not order.reduce_only and notional > self.balance * _LEVERAGE:
            raise OrderRefused("margin")

    def _reducible(self, order: VenueOrder) -> Decimal:
        held = self.positions[order.symbol]
        return max(Decimal(0), -held if order.is_buy else held)

    def _fill(self, order: VenueOrder, price: Decimal, available: Decimal, at_ms: int, *, is_maker: bool) -> None:
        """Trade what there is, in two parts where it is more than a step."""
        quantity = min(order.left, available)
        if order.reduce_only:
            quantity = min(quantity, self._reducible(order))
        step = order.step
        quantity = on_grid(quantity, step, ROUND_DOWN)
        first = on_grid(quantity / 2, step, ROUND_DOWN)
        for part in (first, quantity - first):
            if part > 0:
                self._trade(order, price, part, at_ms, is_maker=is_maker)
        if order.left == 0:
            order.status = "filled"
        elif order.filled:
            order.status = "partially_filled"

    def _trade(self, order: VenueOrder, price: Decimal, part: Decimal, at_ms: int, *, is_maker: bool) -> None:
        share = Decimal(repr(self.market.fee_pct)) / 100 * (_MAKER_SHARE if is_maker else 1)
        fee = part * price * share
        self.fills.append(VenueFill(next(self._ids), order, price, part, fee, is_maker, at_ms))
        self.positions[order.symbol] += part if order.is_buy else -part
        self._taken[order.symbol, at_ms // MINUTE_MS * MINUTE_MS] += part
        self.balance -= fee
        order.filled += part
        order.quote += part * price
        order.updated_ms = at_ms


def _is_through(order: VenueOrder, price: Decimal) -> bool:
    assert order.limit is not None
    return price <= order.limit if order.is_buy else price >= order.limit
