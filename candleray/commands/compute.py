"""`candleray compute`."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from candleray.terminal.console import notes, output
from candleray.terminal.options import ApiUrl, AsJson, DataDir, MarketName, SymbolName, connect, utc_ms
from candleray.terminal.tables import minute_text, number_text, print_table

if TYPE_CHECKING:
    from candleray.indicators.series import IndicatorSeries


def compute(
    indicator: Annotated[
        str, typer.Argument(metavar="ID", help="Such as sma; `candleray indicators` lists them.")
    ],
    market: MarketName,
    symbol: SymbolName,
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=VALUE]…", help="Inputs and parameters: window=20 source=hlc3."),
    ] = None,
    timeframe: Annotated[str, typer.Option(help="1m, 5m, 15m, 1h, 4h or 1d.")] = "1m",
    last: Annotated[
        int | None, typer.Option("--bars", "--last", min=1, help="So many of the newest; 1000 by default.")
    ] = None,
    start: Annotated[
        str | None, typer.Option(metavar="TIME", help="In place of --bars: the first bar, in UTC.")
    ] = None,
    end: Annotated[
        str | None, typer.Option(metavar="TIME", help="With --start: the end, itself excluded.")
    ] = None,
    allow_gaps: Annotated[bool, typer.Option("--allow-gaps", help="Answer over long holes, too.")] = False,
    top: Annotated[int, typer.Option(min=1, help="How many of the newest bars the table shows.")] = 20,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print every bar as CSV.")] = False,
    as_json: AsJson = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Compute an indicator over stored candles.

    Example: candleray compute sma window=20 --market binance-spot --symbol BTCUSDT --bars 1000 --csv
    """
    from candleray.indicators.series import IndicatorSeries
    from candleray.markets import find_market
    from candleray.sdk.connection import encoded, read

    request: dict[str, Any] = {
        "instrument": {"market_id": find_market(market).market_id, "symbol": symbol},
        "timeframe": timeframe,
        "last": last,
        "time_range": _time_range(start, end),
        "allow_gaps": allow_gaps,
    }
    with connect(api, data) as client:
        inputs = [column.name for column in client.indicator(indicator).inputs]
        choice = {"id": indicator, **_choice(inputs, settings or [])}
        body = encoded({**request, "indicator": choice})
        answer = client.send("POST", "/indicators/compute", content=body)
    if as_json:
        sys.stdout.buffer.write(answer)
    elif as_csv:
        _write_csv(read(IndicatorSeries, answer))
    else:
        _print_series(read(IndicatorSeries, answer), top)


def _time_range(start: str | None, end: str | None) -> dict[str, str] | None:
    from candleray.errors import invalid
    from candleray.timeframes import iso

    if start is None and end is None:
        return None
    if start is None or end is None:
        raise invalid("--start", "half_a_range", "--start and --end belong together")
    return {"start": iso(utc_ms(start, "--start")), "end": iso(utc_ms(end, "--end"))}


def _choice(inputs: list[str], settings: list[str]) -> dict[str, dict[str, Any]]:
    """`["source=hlc3", "window=20"]` as the inputs and the parameters of a request."""
    from candleray.errors import invalid

    chosen: dict[str, dict[str, Any]] = {"inputs": {}, "params": {}}
    for setting in settings:
        name, separator, value = setting.partition("=")
        if not separator:
            raise invalid(setting, "not_a_setting", f"{setting!r} is not NAME=VALUE, such as window=20")
        if name in inputs:
            chosen["inputs"][name] = value
        else:
            chosen["params"][name] = _number(value)
    return chosen


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text  # the API names the parameter and what it allows


def _write_csv(series: IndicatorSeries) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("ts_open_ms", *series.outputs))
    writer.writerows(zip(series.ts_open_ms, *series.outputs.values(), strict=True))
    for note in series.notes:
        notes().print(note)


def _print_series(series: IndicatorSeries, top: int) -> None:
    """Print the newest `top` bars of an indicator, oldest first."""
    from candleray.timeframes import from_ms

    first = max(0, len(series.ts_open_ms) - top)
    rows = [
        (minute_text(from_ms(ts_ms)), *(number_text(values[row]) for values in series.outputs.values()))
        for row, ts_ms in enumerate(series.ts_open_ms[first:], first)
    ]
    choice = {**series.indicator.inputs, **series.indicator.params}
    words = ", ".join(f"{name} {value}" for name, value in choice.items())
    market, symbol = series.instrument.market.name, series.instrument.symbol
    title = f"{series.indicator.id} ({words}) of {market} {symbol} {series.timeframe}"
    print_table(output(), ("open time", *series.outputs), rows, title=title, text=("open time",))
    for note in series.notes:
        output().print(note)
