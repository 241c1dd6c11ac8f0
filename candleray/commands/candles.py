"""`candleray candles`."""

from __future__ import annotations

import sys

from candleray.terminal.options import AnyMarket, AnySymbol, ApiUrl, AsJson, DataDir, connect


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
    from candleray.sdk.client import read
    from candleray.terminal.console import notes, output
    from candleray.terminal.tables import print_coverage

    params = {"market_id": find_market(market).market_id if market else None, "symbol": symbol}
    with connect(api, data) as client:
        answer = client.send("GET", "/market-data/coverage", params=params)
    if as_json:
        sys.stdout.buffer.write(answer)
    elif found := read(list[Coverage], answer):
        print_coverage(output(), found)
    else:
        notes().print("no candles here yet: bring some in with `candleray import` or `candleray backfill`")
