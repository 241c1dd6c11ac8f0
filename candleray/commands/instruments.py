"""`candleray instruments`."""

from __future__ import annotations

from typing import Annotated

import typer

from candleray.terminal.options import AnyMarket, ApiUrl, AsJsonList, DataDir, connect


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
    from candleray.terminal.console import output
    from candleray.terminal.tables import print_instruments

    with connect(api, data) as client:
        found = client.instruments(market, q, limit)
    if as_json:
        typer.echo(encoded(found))
    else:
        print_instruments(output(), found)
