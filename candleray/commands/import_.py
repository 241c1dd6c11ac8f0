"""`candleray import`."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from candleray.terminal.console import notes, output, print_json, show_error
from candleray.terminal.exit_codes import ExitCode
from candleray.terminal.hints import after_candles, here, interruptible, show_next
from candleray.terminal.options import ApiUrl, AsJson, DataDir, MarketName, SymbolName, connect
from candleray.terminal.progress import progress

if TYPE_CHECKING:
    from candleray.errors import InvalidInput
    from candleray.market_data.insert_report import InsertReport
    from candleray.markets import Instrument
    from candleray.sdk.client import Client


def import_(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE…", help="Parquet, CSV, CSV.gz or an archive ZIP; - is standard input."),
    ],
    market: MarketName,
    symbol: SymbolName,
    as_json: AsJson = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Import one-minute candles from files, for all users: an operator's right, see `candleray whoami`.

    What is stored already stays as it is; a row that gives a stored minute other values is written, and counted.
    Rows that are not candles, or not closed yet, are refused, with a count, the reason and the first example, and
    the rest of the file goes in. A file that cannot be read, that says itself to be of another symbol or interval,
    or whose rows are all refused does not stop the others; the exit code is then 1.

    Example: candleray import BTCUSDT-1m-2025-*.zip --market binance-spot --symbol BTCUSDT
    """
    from candleray.market_data.insert_report import InsertReport
    from candleray.markets import Instrument, find_market
    from candleray.terminal.inserted_rows import ROW_COLUMNS, print_inserted
    from candleray.validation import validated

    place = {"market_id": find_market(market).market_id, "symbol": symbol}
    instrument = validated(Instrument, place, "the instrument")
    reports, failed, told = [], 0, []
    kept = "what was sent stays, and the same command goes on: rows that are there are left as they are"
    with interruptible(kept), connect(api, data) as client, progress(*ROW_COLUMNS) as bars:
        for file in files:
            bar = bars.add_task(file.name, total=None)
            report, remarks, failure = _import(client, file, instrument, partial(bars.advance, bar))
            bars.remove_task(bar)
            reports.append(report)
            told.append({"file": str(file), "report": report, "error": failure.message if failure else None})
            if not as_json and (report.received or not failure):
                print_inserted(output(), str(file), report)
                for remark in remarks:
                    output().print(f"  {remark}", style="yellow", markup=False)
            if failure:
                show_error(failure)
                failed += 1
    if as_json:
        print_json({"files": told, "total": InsertReport.total(reports)})
    elif len(files) > 1:
        print_inserted(output(), f"{len(files)} files", InsertReport.total(reports))
    if failed:
        notes().print(f"{failed} of {len(files)} files failed", style="bold red")
        raise typer.Exit(ExitCode.FAILED)
    if not as_json:
        show_next(*after_candles(find_market(market).name, symbol, here(api, data)))


def _import(
    client: Client, file: Path, instrument: Instrument, advance: Callable[[int], None]
) -> tuple[InsertReport, list[str], InvalidInput | None]:
    """Return the report on the rows, remarks on the file, and the error where it has failed."""
    from candleray.errors import BadFile, InvalidInput
    from candleray.market_data.files.candle_files import open_candle_file
    from candleray.market_data.insert_report import InsertReport

    report, remarks = InsertReport(), list[str]()
    source = re.sub(r"[\x00-\x1f\x7f]", "?", file.name)[:200]
    try:
        with open_candle_file(file, instrument) as candles:
            remarks = candles.notes
            for batch in candles.batches():
                refused = sum(reason.count for reason in batch.refused)
                report += InsertReport(received=refused, refused=batch.refused)
                if len(batch.rows):
                    report += client.put_candles(
                        instrument.market_id, instrument.symbol, batch.rows, source=source, source_kind="file"
                    )
                advance(len(batch.rows) + refused)
    except InvalidInput as error:
        return report, remarks, error
    if report.received == report.refused_count:
        return report, remarks, BadFile(f"{file}: every row was refused, nothing was imported")
    return report, remarks, None
