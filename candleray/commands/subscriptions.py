"""Subscriptions: which instruments are ingested as their candles close, and users' wishes for others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from candleray.markets import symbol_text
from candleray.terminal.console import notes, output, print_json
from candleray.terminal.hints import here, show_next
from candleray.terminal.options import AnyMarket, ApiUrl, AsJson, AsJsonList, DataDir, MarketName, connect
from candleray.terminal.tables import print_table, second_text

if TYPE_CHECKING:
    from candleray.feeds.subscriptions import Subscription, SubscriptionRequest

subscriptions = typer.Typer(
    no_args_is_help=True,
    help=f"{__doc__}\n\nExample: candleray subscriptions add BTCUSDT ETHUSDT --market binance-spot",
    rich_markup_mode="markdown",
)

Symbols = Annotated[
    list[str],
    typer.Argument(metavar="SYMBOL...", parser=symbol_text, help="As the exchange writes them: BTCUSDT."),
]
OneSymbol = Annotated[
    str, typer.Argument(metavar="SYMBOL", parser=symbol_text, help="As the exchange writes it: BTCUSDT.")
]
RequestId = Annotated[
    str, typer.Argument(metavar="REQUEST", help="Its id, or as much of its beginning as no other has.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Also where active runs read it: they wait, and tell their users why.")
]


@subscriptions.command()
def add(
    symbols: Symbols, market: MarketName, as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None
) -> None:
    """Ingest instruments: all of them or, where one may not be, none; an operator's right.

    Example: candleray subscriptions add BTCUSDT ETHUSDT --market binance-spot
    """
    with connect(api, data) as client:
        report = client.subscribe(market, symbols)
    if as_json:
        print_json(report)
        return
    for what, which in (("added", report.added), ("subscribed already", report.already)):
        if which:
            output().print(f"{what}: {', '.join(which)}", soft_wrap=True)
    show_next(f"feeds{here(api, data)}", f"subscriptions list --market {market}{here(api, data)}")


@subscriptions.command()
def remove(
    symbols: Symbols,
    market: MarketName,
    force: Force = False,
    as_json: AsJson = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Ingest instruments no more; their candles stay. An operator's right.

    What active runs read is refused.

    Example: candleray subscriptions remove ETHUSDT --market binance-spot
    """
    with connect(api, data) as client:
        for symbol in symbols:
            client.unsubscribe(market, symbol, force)
            if not as_json:
                output().print(f"removed: {symbol}")
    if as_json:
        print_json({"removed": symbols})


@subscriptions.command("list")
def list_subscriptions(
    market: AnyMarket = None, as_json: AsJsonList = False, api: ApiUrl = None, data: DataDir = None
) -> None:
    """List the instruments that are ingested, and why no candles come of one that is halted or delisted.

    Example: candleray subscriptions list --market binance-spot
    """
    with connect(api, data) as client:
        found = client.subscriptions(market)
    if as_json:
        print_json(found)
    elif found:
        _print_subscriptions(found)
    else:
        notes().print(f"nothing is ingested{f' of {market}' if market else ''}")
        show_next(f"subscriptions add BTCUSDT --market {market or 'binance-spot'}{here(api, data)}")


@subscriptions.command()
def ask(
    symbol: OneSymbol, market: MarketName, as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None
) -> None:
    """Ask the operators to ingest an instrument; everybody may.

    Example: candleray subscriptions ask SOLUSDT --market bybit-spot
    """
    with connect(api, data) as client:
        _show(client.ask_for_instrument(market, symbol), as_json)


@subscriptions.command()
def requests(
    waiting: Annotated[bool, typer.Option("--waiting", help="Only those that nobody has answered.")] = False,
    as_json: AsJsonList = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Show the wishes for instruments, the newest first: yours, or everybody's where you are an operator.

    Example: candleray subscriptions requests --waiting
    """
    with connect(api, data) as client:
        found = client.subscription_requests("waiting" if waiting else None)
    if as_json:
        print_json(found)
    elif found:
        _print_requests(found)
    else:
        notes().print("nobody waits for an instrument" if waiting else "nobody has asked for an instrument")


@subscriptions.command()
def accept(request_id: RequestId, as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None) -> None:
    """Ingest what was asked for: an operator's right.

    Example: candleray subscriptions accept 5f0f2b0e
    """
    with connect(api, data) as client:
        _show(client.accept_subscription_request(request_id), as_json)


@subscriptions.command()
def refuse(
    request_id: RequestId,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for who has asked.")] = "not said",
    as_json: AsJson = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Refuse what was asked for: an operator's right.

    Example: candleray subscriptions refuse 5f0f2b0e --reason "too little volume"
    """
    with connect(api, data) as client:
        _show(client.refuse_subscription_request(request_id, reason), as_json)


def _show(one: SubscriptionRequest, as_json: bool) -> None:
    if as_json:
        print_json(one)
    else:
        _print_requests([one])


def _print_subscriptions(found: Iterable[Subscription]) -> None:
    rows = [
        (
            one.market.name,
            one.symbol,
            one.source,
            second_text(one.added_at) if one.added_at else "–",
            one.notice or "–",
        )
        for one in found
    ]
    names = ("market", "symbol", "named by", "since", "notice")
    print_table(output(), names, rows, text=names)


def _print_requests(found: Iterable[SubscriptionRequest]) -> None:
    rows = [
        (
            str(one.request_id),
            one.market.name,
            one.symbol,
            one.state,
            second_text(one.asked_at),
            one.reason or "–",
        )
        for one in found
    ]
    names = ("request", "market", "symbol", "state", "asked", "reason")
    print_table(output(), names, rows, text=names)
