"""`candleray trials`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from candleray.terminal.console import notes, output, print_json
from candleray.terminal.options import AnyMarket, AnySymbol, ApiUrl, AsJsonList, DataDir, connect
from candleray.terminal.tables import print_table, second_text

if TYPE_CHECKING:
    from candleray.trials.trial import Trial


def trials(
    market: AnyMarket = None,
    symbol: AnySymbol = None,
    limit: Annotated[int, typer.Option(min=1, help="How many of the newest.")] = 20,
    as_json: AsJsonList = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """List your searches, the newest first, with what each tried and what its verdict said.

    A verdict counts the earlier searches over candles of the same symbol in the same time.

    Example: candleray trials --symbol BTCUSDT
    """
    with connect(api, data) as client:
        found = client.trials(market, symbol, limit)
    if as_json:
        print_json(found)
    elif found:
        _print_trials(found)
    else:
        notes().print("no search is on record")


def _print_trials(found: Sequence[Trial]) -> None:
    rows = [
        (
            second_text(one.last_at),
            one.instrument.market.name,
            one.instrument.symbol,
            one.timeframe,
            f"{one.time_range.start:%Y-%m-%d} to {one.time_range.end:%Y-%m-%d}",
            f"{one.searches:,}",
            f"{one.variants:,}",
            "–" if one.independent_variants is None else f"{one.independent_variants:,.0f}",
            "–" if one.best_total_return_pct is None else f"{one.best_total_return_pct:,.2f}",
            str(one.verdict.says or "none") if one.verdict else "–",
        )
        for one in found
    ]
    columns = (
        "searched",
        "market",
        "symbol",
        "timeframe",
        "range",
        "times",
        "variants",
        "count as",
        "best [%]",
        "verdict",
    )
    text = ("searched", "market", "symbol", "timeframe", "range", "verdict")
    print_table(output(), columns, rows, text=text)
