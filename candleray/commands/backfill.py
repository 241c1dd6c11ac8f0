"""`candleray backfill`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from candleray.terminal.console import notes, output, print_json, show_error
from candleray.terminal.exit_codes import ExitCode
from candleray.terminal.hints import after_candles, here, interruptible, show_next
from candleray.terminal.options import ApiUrl, AsJsonList, DataDir, MarketName, SymbolNames, connect, utc_ms
from candleray.terminal.progress import progress
from candleray.terminal.tables import minute_text

MAX_LEFT_OUT = 5
MAX_ABSENT_RUNS = 5
"""Runs of absent minutes that are listed."""
_PATIENCE_S = 1800.0
"""Seconds that a step is asked for again while the instance is loaded: longer than it takes to start anew."""
_ALONE = 0.9
"""Part of a request budget that this process spends where it is alone at an address."""

if TYPE_CHECKING:
    from rich.progress import Progress

    from candleray.errors import CandlerayError
    from candleray.market_data.backfill_report import BackfillReport
    from candleray.market_data.history import History
    from candleray.markets import Market
    from candleray.sdk.client import Client
    from candleray.settings import HistorySettings


def backfill(
    market: MarketName,
    symbol: SymbolNames,
    start: Annotated[str, typer.Option(metavar="TIME", help="First minute, in UTC: 2025-01-01 or a full time.")],
    end: Annotated[
        str | None, typer.Option(metavar="TIME", help="First minute after the last; now where left out.")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Fetch from here, such as the simulator, and write: an operator's right.")
    ] = None,
    as_json: AsJsonList = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Have the instance fetch missing minutes of one-minute candles from the exchange; everybody may.

    What is stored is not asked for again: stopped in any way, the same command goes on where it was. While the
    instance is loaded it pauses, says so, and goes on; after half an hour without a step it gives up. With `--url`
    this command fetches them itself, from there, and writes them: only an operator may.

    Example: candleray backfill --market binance-spot --symbol BTCUSDT --symbol ETHUSDT --start 2025-01-01
    """
    from candleray.errors import invalid
    from candleray.markets import find_market

    chosen, now_ms = find_market(market), int(time.time() * 1000)
    range_ms = utc_ms(start, "--start"), utc_ms(end, "--end") if end else now_ms
    if range_ms[0] >= range_ms[1]:
        raise invalid("--start", "empty_range", f"--start {start} must be before --end {end or '(now)'}")
    with (
        interruptible("what was written stays, and the same command goes on from there"),
        connect(api, data) as client,
    ):
        tell = _say_nothing if as_json else _print_backfilled
        if url is None:
            reports = _by_the_instance(client, chosen, symbol, range_ms, tell)
        else:
            settings = _history_settings(chosen, url)
            reports = asyncio.run(_backfill(client, chosen, symbol, range_ms, settings, tell))
    if as_json:
        print_json(reports)
    if len(reports) < len(set(symbol)):
        raise typer.Exit(ExitCode.WRONG_INPUT)
    if not as_json:
        show_next(*after_candles(chosen.name, symbol[0], here(api, data)))


def _by_the_instance(
    client: Client,
    market: Market,
    symbols: list[str],
    range_ms: tuple[int, int],
    tell: Callable[[BackfillReport], None],
) -> list[BackfillReport]:
    """Backfill them all; return the reports of those symbols that the exchange knew."""
    from candleray.errors import NotFound
    from candleray.terminal.inserted_rows import ROW_COLUMNS
    from candleray.timeframes import iso

    reports: list[BackfillReport] = []
    times = [iso(ms) for ms in range_ms]
    with progress(*ROW_COLUMNS) as bars:
        for symbol in dict.fromkeys(symbols):
            bar = bars.add_task(symbol, total=None)
            try:
                report = client.backfill(
                    market.name,
                    symbol,
                    *times,
                    on_step=lambda done, bar=bar: bars.update(bar, completed=done.fetched),  # type: ignore[misc]
                    patience_s=_PATIENCE_S,
                    pause=partial(_say_and_pause, symbol),
                )
            except NotFound as error:
                show_error(error)
            else:
                reports.append(report)
                tell(report)
            finally:
                bars.remove_task(bar)
    return reports


def _say_and_pause(symbol: str, error: CandlerayError, pause_s: float) -> None:
    notes().print(f"{symbol}: going on in {pause_s:,.0f} s ({error.message})", markup=False)
    time.sleep(pause_s)


def _history_settings(market: Market, url: str) -> HistorySettings:
    from candleray.exchanges.discovery import exchange_of
    from candleray.settings import get_settings

    settings = get_settings().history
    changes: dict[str, object] = {"base_urls": {**settings.base_urls, market.name: url.rstrip("/")}}
    if url.rstrip("/") not in (settings.base_urls.get(market.name), exchange_of(market).api(market).base_url):
        changes["budget_share"] = _ALONE  # no instance asks there: nobody else spends this address's budget
    return settings.model_copy(update=changes)


async def _backfill(
    client: Client,
    market: Market,
    symbols: list[str],
    range_ms: tuple[int, int],
    settings: HistorySettings,
    tell: Callable[[BackfillReport], None],
) -> list[BackfillReport]:
    """Backfill them all; return the reports of those symbols that the exchange knew."""
    from candleray.errors import NotFound
    from candleray.market_data.history import History
    from candleray.terminal.inserted_rows import ROW_COLUMNS

    reports: list[BackfillReport] = []
    async with History(settings) as history:
        listed = await history.instruments(market)
        loaded = await asyncio.to_thread(client.put_instruments, listed)
        notes().print(f"{market.name}: {loaded.received:,} instruments, {loaded.written:,} of them new or changed")
        if listed.left_out:
            notes().print(_left_out(listed.left_out))
        with progress(*ROW_COLUMNS) as bars:
            for symbol in dict.fromkeys(symbols):
                try:
                    reports.append(await _backfill_symbol(client, history, market, symbol, range_ms, bars))
                except NotFound as error:
                    show_error(error)
                else:
                    tell(reports[-1])
    return reports


def _left_out(names: Sequence[str]) -> str:
    from candleray.markets import SYMBOL_RULE

    shown = ", ".join(map(repr, names[:MAX_LEFT_OUT]))
    more = f" and {len(names) - MAX_LEFT_OUT} more" if len(names) > MAX_LEFT_OUT else ""
    return f"{len(names)} listed instruments are left out, whose symbols are not {SYMBOL_RULE}: {shown}{more}"


async def _backfill_symbol(
    client: Client, history: History, market: Market, symbol: str, range_ms: tuple[int, int], bars: Progress
) -> BackfillReport:
    from candleray.market_data.backfill import backfill as backfill_symbol
    from candleray.sdk.market_data import ClientSink

    bar = bars.add_task(symbol, total=None)
    try:
        return await backfill_symbol(
            history,
            ClientSink(client, f"REST of {market.name}"),
            market,
            symbol,
            *range_ms,
            on_progress=lambda done: bars.update(bar, completed=done.rows_done, total=done.rows_expected),
        )
    finally:
        bars.remove_task(bar)


def _say_nothing(report: BackfillReport) -> None:
    """The report is printed with the others, as JSON."""


def _print_backfilled(report: BackfillReport) -> None:
    """Print what a backfill did, and which minutes the exchange did not have."""
    from candleray.terminal.inserted_rows import print_changed, print_refused

    console = output()
    absent = sum(run.minutes for run in report.absent)
    console.print(
        f"{report.market.name} {report.symbol}: {report.missing_before:,} minutes were missing, "
        f"{report.fetched:,} fetched, {report.inserted.written:,} written, {absent:,} still missing, "
        f"{report.elapsed_s:.1f} s"
    )
    print_changed(console, report.inserted)
    print_refused(console, report.inserted)
    why = "still missing" if report.inserted.refused else "not at the exchange"
    for run in report.absent[:MAX_ABSENT_RUNS]:
        console.print(f"  {why}: {run.minutes:,} minutes from {minute_text(run.start)}")
    if len(report.absent) > MAX_ABSENT_RUNS:
        more = len(report.absent) - MAX_ABSENT_RUNS
        console.print(f"  and {more:,} more runs; `candleray candles` lists all gaps")
