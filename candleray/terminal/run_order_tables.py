"""Tables of a run's orders and fills."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from candleray.live.order_records import OrderPage, RunFill
from candleray.terminal.console import notes, output
from candleray.terminal.tables import minute_text, print_table, second_text


def print_orders(page: OrderPage) -> None:
    rows = [
        (
            str(one.number),
            minute_text(one.ts_open),
            one.side.value,
            _amount(one.quantity),
            _amount(one.filled),
            one.state.value,
            one.intent,
            one.client_order_id,
        )
        for one in page.orders
    ]
    names = ("order", "bar", "side", "quantity", "filled", "state", "intent", "id")
    print_table(output(), names, rows, text=("bar", "side", "state", "intent", "id"))
    if page.halted:
        notes().print(f"it makes no order any more: {page.halted}", style="red")


def print_fills(fills: Sequence[RunFill]) -> None:
    rows = [
        (
            str(one.number),
            second_text(one.at),
            one.side.value,
            _amount(one.quantity),
            _amount(one.price),
            _amount(one.fee_quote),
            _amount(one.position),
            f"{one.balance_quote:,.2f}",
        )
        for one in fills
    ]
    names = ("fill", "at", "side", "quantity", "price", "fee", "position", "balance")
    print_table(output(), names, rows, text=("at", "side"))


def _amount(value: Decimal) -> str:
    """Up to eight significant digits; all of them are in `--json`."""
    return f"{float(value):.8g}"
