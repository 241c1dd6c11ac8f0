"""Rules of an instrument that an order must keep: tick, step, least quantity and notional. Applied here alone."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

from candleray.errors import invalid
from candleray.execution.orders import OrderRequest, Side
from candleray.markets import InstrumentReference

LEAST_NOTIONAL = Decimal(5)
"""Least worth of an order in USDT that both venues demand for most perpetuals, where a reference names none."""


@dataclass(frozen=True)
class OrderFilters:
    """Filters of one instrument."""

    tick: Decimal
    step: Decimal
    least_notional: Decimal = LEAST_NOTIONAL

    @staticmethod
    def of(reference: InstrumentReference) -> OrderFilters:
        """The filters of a reference.

        Raises:
            InvalidInput: the exchange has named no tick or no step, so that no order can be right.
        """
        tick, step = reference.price_tick, reference.quantity_step
        if not tick or not step:
            raise invalid(
                "instrument",
                "no_filters",
                f"{reference.key} has no price tick or no quantity step: refresh the list",
            )
        least = reference.min_notional
        # The shortest text of the number is what the exchange wrote.
        return OrderFilters(
            Decimal(repr(tick)), Decimal(repr(step)), Decimal(repr(least)) if least else LEAST_NOTIONAL
        )

    def price(self, price: Decimal, side: Side) -> Decimal:
        """The nearest price on the tick that is no worse for who asks."""
        rounding = ROUND_FLOOR if side is Side.BUY else ROUND_CEILING
        return on_grid(price, self.tick, rounding)

    def quantity(self, quantity: Decimal) -> Decimal:
        """Cut a quantity to whole steps, never to more than was asked for."""
        return on_grid(quantity, self.step, ROUND_DOWN)

    def is_large_enough(self, quantity: Decimal, price: Decimal, *, reduce_only: bool) -> bool:
        """Tell whether the exchange takes so little; what reduces a position may be as small as a step."""
        return quantity >= self.step and (reduce_only or quantity * price >= self.least_notional)

    def require(self, request: OrderRequest, price: Decimal) -> None:
        """Refuse what the exchange would refuse.

        Raises:
            InvalidInput: with the value, the bound and the remedy.
        """
        for name in ("limit_price", "stop_price"):
            asked = getattr(request, name)
            if asked is not None and on_grid(asked, self.tick, ROUND_HALF_EVEN) != asked:
                raise invalid(name, "off_tick", f"{name} {asked} is no multiple of the tick {self.tick}")
        if self.quantity(request.quantity) != request.quantity:
            raise invalid("quantity", "off_step", f"{request.quantity} is no multiple of the step {self.step}")
        at = request.limit_price or request.stop_price or price
        if not self.is_large_enough(request.quantity, at, reduce_only=request.reduce_only):
            raise invalid(
                "quantity",
                "notional",
                f"{request.quantity} at {at} is worth {request.quantity * at}, below the least notional "
                f"{self.least_notional}: ask for more",
            )


def on_grid(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    return (value / step).to_integral_value(rounding) * step
