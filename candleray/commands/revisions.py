"""`candleray revisions`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from candleray.terminal.console import notes, output, print_json
from candleray.terminal.options import ApiUrl, AsJsonList, DataDir, MarketName, SymbolName, connect, utc_ms
from candleray.terminal.tables import minute_text, number_text, print_table
from candleray.text_table import duration_text

if TYPE_CHECKING:
    from candleray.market_data.ledger.versions import CandleVersion


def revisions(
    market: MarketName,
    symbol: SymbolName,
    start: Annotated[str | None, typer.Option(metavar="TIME", help="First minute looked at, in UTC.")] = None,
    end: Annotated[str | None, typer.Option(metavar="TIME", help="First minute no longer looked at.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Versions at most.")] = 100,
    as_json: AsJsonList = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Show the minutes that were given other values after they were known, with every version of each.

    Each version says what brought it, when it was seen, and how long after the minute's close that was.

    Example: candleray revisions --market binance-spot --symbol BTCUSDT --start 2026-11-01
    """
    from candleray.timeframes import iso

    times = {
        name: None if text is None else iso(utc_ms(text, f"--{name}"))
        for name, text in (("start", start), ("end", end))
    }
    with connect(api, data) as client:
        versions = client.revisions(market, symbol, **times, limit=limit)
    if as_json:
        print_json(versions)
    elif versions:
        _print_versions(versions)
        if len(versions) == limit:
            notes().print(f"the first {limit} versions: --limit takes more, --start begins later")
    else:
        notes().print("no minute was given other values after it was known")


def _print_versions(versions: Sequence[CandleVersion]) -> None:
    from candleray.timeframes import iso, to_ms

    rows = [
        (
            minute_text(one.ts_open),
            str(one.version),
            *(number_text(value) for value in (one.open, one.high, one.low, one.close, one.volume)),
            number_text(one.quote_volume),
            number_text(one.trades),
            one.source,
            iso(to_ms(one.seen_at)),
            duration_text(one.lag_ms / 1000),
        )
        for one in versions
    ]
    prices = ("open", "high", "low", "close", "volume", "quote volume", "trades")
    names = ("minute", "version", *prices, "source", "seen at", "after its close")
    print_table(output(), names, rows, text=("minute", "source", "seen at"))
