"""Find instruments, as the exchanges describe them; have them described anew; see what has changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from candleray.terminal.console import notes, output, print_json, show_error
from candleray.terminal.default_command import DefaultCommandGroup
from candleray.terminal.exit_codes import ExitCode
from candleray.terminal.options import AnyMarket, AnySymbol, ApiUrl, AsJsonList, DataDir, connect, utc_ms
from candleray.terminal.progress import working
from candleray.terminal.tables import number_text, print_table, second_text

if TYPE_CHECKING:
    from candleray.market_data.instruments.changes import InstrumentChange, ListingReport
    from candleray.markets import InstrumentReference, Market
    from candleray.sdk.client import Client

instruments = typer.Typer(
    cls=DefaultCommandGroup,
    help=f"{__doc__}\n\n`candleray instruments BTC` finds.\n\nExample: candleray instruments BTC",
    rich_markup_mode="markdown",
)


@instruments.command()
def find(
    q: Annotated[str, typer.Argument(metavar="[PART]", help="Part of the symbol.")] = "",
    market: AnyMarket = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to show, the likeliest first.")] = 50,
    as_json: AsJsonList = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Find instruments by a part of their symbol, as the exchanges describe them; `find` may be left out.

    Example: candleray instruments find BTC --market bybit-futures
    """
    with connect(api, data) as client:
        references = client.instruments(market, q, limit)
    if as_json:
        print_json(references)
    elif references:
        _print_instruments(references)
    else:
        notes().print(f"no instrument has {q!r} in its symbol{f' at {market}' if market else ''}", soft_wrap=True)


@instruments.command()
def refresh(
    market: AnyMarket = None,
    may_shrink: Annotated[
        bool, typer.Option("--may-shrink", help="Take a list that lacks most of the known instruments.")
    ] = False,
    as_json: AsJsonList = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Have the lists of all markets, or of one, read from their exchanges now: an operator's right.

    Example: candleray instruments refresh --market binance-spot
    """
    from candleray.markets import MARKETS, find_market

    chosen = [find_market(market)] if market else list(MARKETS.values())
    with connect(api, data) as client:
        reports = _refreshed(client, chosen, may_shrink)
    if as_json:
        print_json(reports)
    else:
        _print_reports(reports)
    if len(reports) < len(chosen):
        raise typer.Exit(ExitCode.FAILED)


@instruments.command()
def changes(
    market: AnyMarket = None,
    symbol: AnySymbol = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Changes since then, in UTC: 2026-01-01 or a full time.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many of the newest.")] = 50,
    as_json: AsJsonList = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Show what the exchanges say otherwise than before: listed, delisted, halted, another tick or step.

    Example: candleray instruments changes --market bybit-futures --since 2026-01-01
    """
    from candleray.timeframes import from_ms

    moment = from_ms(utc_ms(since, "--since")) if since else None
    with connect(api, data) as client:
        found = client.instrument_changes(market, symbol, since=moment, limit=limit)
    if as_json:
        print_json(found)
    elif found:
        _print_changes(found)
    else:
        notes().print("no such change is known: the first list of a market makes none")


def _refreshed(client: Client, markets: Iterable[Market], may_shrink: bool) -> list[ListingReport]:
    """The reports of the markets whose lists came; the others are told."""
    from candleray.errors import ExchangeError, ServiceUnavailable

    reports = []
    for market in markets:
        try:
            with working(f"reading the list of {market.name}"):
                reports.append(client.refresh_instruments(market.name, may_shrink=may_shrink))
        except (ExchangeError, ServiceUnavailable) as error:
            show_error(error)
    return reports


def _print_reports(reports: Iterable[ListingReport]) -> None:
    from candleray.markets import MARKETS

    rows = [
        (MARKETS[report.market_id].name, str(report.listed), str(report.written), report.changes_text() or "–")
        for report in reports
    ]
    print_table(output(), ("market", "listed", "written", "changes"), rows, text=("market", "changes"))


def _print_changes(found: Iterable[InstrumentChange]) -> None:
    rows = [
        (
            second_text(change.at),
            change.market.name,
            change.symbol,
            change.kind,
            change.before or "–",
            change.after or "–",
        )
        for change in found
    ]
    names = ("at", "market", "symbol", "change", "before", "after")
    print_table(output(), names, rows, text=names)


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
            f"{reference.listed_at:%Y-%m-%d}" if reference.listed_at else "–",
            f"{reference.delisted_at:%Y-%m-%d}" if reference.delisted_at else "–",
        )
        for reference in references
    ]
    names = ("market", "symbol", "status", "tradable", "base", "quote", "price tick", "quantity step")
    print_table(output(), (*names, "listed", "delisted"), rows, text=(*names[:6], "listed", "delisted"))
