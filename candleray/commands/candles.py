"""`candleray candles`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from candleray.terminal.console import notes, output
from candleray.terminal.options import AnyMarket, AnySymbol, ApiUrl, AsJson, DataDir, connect
from candleray.terminal.tables import minute_text, print_table

if TYPE_CHECKING:
    from candleray.market_data.coverage import Coverage


def candles(
    market: AnyMarket = None,
    symbol: AnySymbol = None,
    as_json: AsJson = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Show which candles are stored, and every gap, per instrument.

    A gap is a run of missing minutes between an instrument's first and last candle.

    Example: candleray candles --market binance-spot --symbol BTCUSDT
    """
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
