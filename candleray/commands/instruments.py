"""`candleray instruments`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from candleray.terminal.console import output
from candleray.terminal.options import AnyMarket, ApiUrl, AsJsonList, DataDir, connect
from candleray.terminal.tables import number_text, print_table

if TYPE_CHECKING:
    from candleray.markets import InstrumentReference


def instruments(
    q: Annotated[str, typer.Argument(metavar="[PART]", help="Part of the symbol.")] = "",
    market: AnyMarket = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to show, the likeliest first.")] = 50,
    as_json: AsJsonList = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Find instruments by a part of their symbol, as the exchanges describe them.

    `candleray backfill` loads the references of its markets.

    Example: candleray instruments BTC --market bybit-futures
    """
    from candleray.sdk.connection import encoded

    with connect(api, data) as client:
        references = client.instruments(market, q, limit)
    if as_json:
        typer.echo(encoded(references))
    else:
        _print_instruments(references)


def _print_instruments(references: Iterable[InstrumentReference]) -> None:
    rows = [
        (
            reference.market.name,
            reference.symbol,
            reference.status or "–",
            "yes" if reference.is_tradable else "no",
            reference.base_asset or "–",
            reference.quote_asset or "–",
            number_text(reference.price_tick),
            number_text(reference.quantity_step),
        )
        for reference in references
    ]
    names = ("market", "symbol", "status", "tradable", "base", "quote", "price tick", "quantity step")
    print_table(output(), names, rows, text=names[:6])
