"""Options that several commands have in the same words, and what they make of them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from candleray.errors import first_line, invalid
from candleray.markets import MARKET_NAMES, symbol_text
from candleray.timeframes import ms_of

if TYPE_CHECKING:
    from candleray.sdk.client import Client

ApiUrl = Annotated[
    str | None,
    typer.Option("--api", metavar="URL", help="The API to talk to; by default the running instance's."),
]
DataDir = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Data folder of the instance to talk to."),
]
MarketName = Annotated[
    str,
    typer.Option("--market", metavar="NAME", help=f"One of {', '.join(MARKET_NAMES)}."),
]
SymbolName = Annotated[
    str, typer.Option("--symbol", parser=symbol_text, metavar="SYMBOL", help="As the exchange writes it: BTCUSDT.")
]
SymbolNames = Annotated[
    list[str],
    typer.Option("--symbol", parser=symbol_text, metavar="SYMBOL", help="Such as BTCUSDT; may be repeated."),
]
AnyMarket = Annotated[
    str | None, typer.Option("--market", metavar="NAME", help=f"This market alone: {', '.join(MARKET_NAMES)}.")
]
AnySymbol = Annotated[
    str | None,
    typer.Option("--symbol", parser=symbol_text, metavar="SYMBOL", help="This symbol alone, such as BTCUSDT."),
]
RankBy = Annotated[
    str | None,
    typer.Option(metavar="METRIC", help="Rank by this metric: sharpe_ratio, profit_factor, any of the report."),
]
MinTrades = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Leave out, and count, variants with fewer closed trades."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AsJsonList = Annotated[bool, typer.Option("--json", help="Print a JSON list.")]


def connect(api: str | None, data: Path | None, token: str | None = None) -> Client:
    """A client of the named API, else of the instance in that data folder, else of the running instance."""
    from candleray.sdk.client import Client
    from candleray.sdk.connection import find_api_url

    return Client(api or find_api_url(data), token=token)


def ask_secret(prompt: str, variable: str | None = None) -> str:
    """Take a secret from the environment, else typed unseen, else from the next line of stdin.

    It is never an argument, which `ps` would show.

    Raises:
        InvalidInput: there is none.
    """
    if variable and (secret := os.environ.get(variable)):
        return secret
    if sys.stdin.isatty():
        return str(typer.prompt(prompt, hide_input=True, err=True)).strip()
    line = sys.stdin.readline().strip()
    if not line:
        hint = f", and {variable} is not set" if variable else ""
        raise invalid("", "missing", f"{prompt}: nothing on stdin{hint}")
    return line


def read_request(place: str) -> bytes:
    """The bytes of a request's file, or of stdin for `-`.

    Raises:
        BadFile: it cannot be read.
    """
    from candleray.errors import BadFile

    if place == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(place).read_bytes()
    except OSError as exc:
        raise BadFile(f"{place} cannot be read: {exc.strerror}") from exc


def write_file(place: Path, content: bytes) -> None:
    """Write a file, in place of the one that may be there.

    Raises:
        BadFile: it cannot be written.
    """
    from candleray.errors import BadFile

    try:
        place.write_bytes(content)
    except OSError as exc:
        raise BadFile(f"{place} cannot be written: {exc.strerror}") from exc


def utc_ms(text: str, option: str) -> int:
    """Read `2025-01-01` or a full time, in UTC where it has no zone, as ms since the epoch.

    Raises:
        InvalidInput: naming the option.
    """
    try:
        return ms_of(text)
    except ValueError as error:
        raise invalid(option, "not_a_time", f"{option}: {first_line(error)}") from None


def with_ranking(body: bytes, rank_by: str | None, min_trades: int | None) -> bytes:
    """Return a request that says these too, in place of what it says itself.

    Raises:
        BadFile: it is no JSON object that could say them.
    """
    said = {"rank_by": rank_by, "min_trades": min_trades}
    changes = {name: value for name, value in said.items() if value is not None}
    if not changes:
        return body
    from candleray.errors import BadFile

    try:
        request = json.loads(body)
    except ValueError as exc:
        raise BadFile(f"the request is not JSON: {first_line(exc)}") from None
    if not isinstance(request, dict):
        raise BadFile("the request is no JSON object")
    return json.dumps({**request, **changes}).encode()
