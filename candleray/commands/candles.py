"""`candleray candles`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from candleray.errors import invalid
from candleray.terminal.console import notes, output
from candleray.terminal.options import AnyMarket, AnySymbol, ApiUrl, AsJson, DataDir, connect, utc_ms
from candleray.terminal.tables import minute_text, number_text, print_table
from candleray.timeframes import from_ms

if TYPE_CHECKING:
    from candleray.market_data.coverage import Coverage

COLUMNS = ("open", "high", "low", "close", "volume")
LAST_SHOWN = 20


def candles(
    market: AnyMarket = None,
    symbol: AnySymbol = None,
    as_of: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Show one instrument's candles as they were known at this moment."),
    ] = None,
    start: Annotated[
        str | None, typer.Option(metavar="TIME", help="With --as-of: the first minute; the newest where left out.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="With --as-of: candles at most.")] = LAST_SHOWN,
    as_json: AsJson = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Show which candles are stored, and every gap, per instrument.

    A gap is a run of missing minutes between an instrument's first and last candle. With `--as-of` the candles
    themselves, of each minute the version that was the newest at that moment.

    Example: candleray candles --market binance-spot --symbol BTCUSDT
    """
    if as_of is not None:
        _show_as_of(market, symbol, as_of, start, limit, as_json, api, data)
        return
    if start is not None or limit != LAST_SHOWN:
        raise invalid("--as-of", "missing", "--start and --limit belong to --as-of: say as of which moment")
    from candleray.market_data.coverage import Coverage
    from candleray.markets import find_market
    from candleray.sdk.connection import read

    params = {"market_id": find_market(market).market_id if market else None, "symbol": symbol}
    with connect(api, data) as client:
        answer = client.send("GET", "/market-data/coverage", params=params)
    if as_json:
        sys.stdout.buffer.write(answer)
    elif coverage := read(list[Coverage], answer):
        _print_coverage(coverage)
    else:
        notes().print("no candles here yet: bring some in with `candleray import` or `candleray backfill`")


def _show_as_of(
    market: str | None,
    symbol: str | None,
    as_of: str,
    start: str | None,
    limit: int,
    as_json: bool,
    api: str | None,
    data: Path | None,
) -> None:
    from candleray.market_data.pages import CandlePage
    from candleray.markets import find_market
    from candleray.sdk.connection import read
    from candleray.timeframes import iso

    if market is None or symbol is None:
        raise invalid(
            "--as-of", "missing", "--as-of shows one instrument's candles: say --market and --symbol too"
        )
    params: dict[str, str | int | list[str] | None] = {
        "market_id": find_market(market).market_id,
        "symbol": symbol,
        "as_of": iso(utc_ms(as_of, "--as-of")),
        "start": None if start is None else iso(utc_ms(start, "--start")),
        "limit": limit,
    }
    with connect(api, data) as client:
        answer = client.send("GET", "/market-data/candles", params=params)
    if as_json:
        sys.stdout.buffer.write(answer)
        return
    page = read(CandlePage, answer)
    columns = (page.open, page.high, page.low, page.close, page.volume)
    rows = [
        (minute_text(from_ms(ts_ms)), *(number_text(value) for value in values))
        for ts_ms, *values in zip(page.ts_open_ms, *columns, strict=True)
    ]
    print_table(output(), ("minute", *COLUMNS), rows, text=("minute",))
    if not rows:
        notes().print("nothing was known of these minutes at that moment")


def _print_coverage(coverage: Sequence[Coverage]) -> None:
    """Print one line an instrument, then every gap of each that has some."""
    rows = [
        (
            instrument.market.name,
            instrument.symbol,
            minute_text(instrument.first),
            minute_text(instrument.last),
            f"{instrument.candles:,}",
            f"{instrument.missing_minutes:,}",
            f"{len(instrument.missing_runs):,}",
        )
        for instrument in coverage
    ]
    names = ("market", "symbol", "first candle", "last candle", "candles", "missing minutes", "gaps")
    print_table(output(), names, rows, text=names[:4])
    for instrument in coverage:
        if instrument.missing_runs:
            _print_gaps(instrument)


def _print_gaps(instrument: Coverage) -> None:
    rows = [(minute_text(run.start), minute_text(run.end), f"{run.minutes:,}") for run in instrument.missing_runs]
    names = ("first missing minute", "first minute after", "minutes")
    title = f"gaps of {instrument.market.name} {instrument.symbol}"
    output().print()
    print_table(output(), names, rows, title=title, text=names[:2])
