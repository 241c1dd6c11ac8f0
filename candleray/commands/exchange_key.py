"""Keys of exchanges: kept encrypted, past the second factor; nothing reads a secret back."""

from __future__ import annotations

from typing import Annotated

import typer

from candleray.terminal.console import output, print_json
from candleray.terminal.options import ApiUrl, AsJson, AsJsonList, DataDir, ask_secret, connect
from candleray.terminal.tables import print_table, second_text

exchange_key = typer.Typer(
    no_args_is_help=True,
    help=f"{__doc__}\n\nExample: candleray exchange-key add binance --label main",
    rich_markup_mode="markdown",
)

KEY_VARIABLE, SECRET_VARIABLE = "CANDLERAY_EXCHANGE_KEY", "CANDLERAY_EXCHANGE_SECRET"


@exchange_key.command()
def add(
    exchange: Annotated[str, typer.Argument(help="Its name, such as binance.")],
    label: Annotated[str, typer.Option("--label", help="For you, to tell your keys apart.")] = "main",
    as_json: AsJson = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Keep a key: it and its secret are asked for, or read from stdin as two lines, or from the environment.

    The variables are CANDLERAY_EXCHANGE_KEY and CANDLERAY_EXCHANGE_SECRET. It needs a code of the last minutes:
    `candleray second-factor verify`.

    Example: candleray exchange-key add binance --label main
    """
    api_key = ask_secret("API key", KEY_VARIABLE)
    api_secret = ask_secret("API secret", SECRET_VARIABLE)
    with connect(api, data) as client:
        stored = client.add_exchange_key(exchange, label, api_key, api_secret)
    if as_json:
        print_json(stored)
        return
    output().print(f"{stored.key_id}  {stored.exchange}  {stored.label}  …{stored.last_four}")


@exchange_key.command("list")
def list_keys(
    as_json: AsJsonList = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """List your keys, the newest first: never more of one than its last four characters.

    Example: candleray exchange-key list
    """
    with connect(api, data) as client:
        keys = client.exchange_keys()
    if as_json:
        print_json(keys)
        return
    rows = [
        (str(key.key_id), key.exchange, key.label, f"…{key.last_four}", second_text(key.created_at))
        for key in keys
    ]
    names = ("key", "exchange", "label", "ends in", "since")
    print_table(output(), names, rows, text=names)


@exchange_key.command()
def delete(
    key_id: Annotated[str, typer.Argument(metavar="KEY", help="Its id, the beginning of one, or its label.")],
    as_json: AsJson = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Delete a key for good; it needs a code of the last minutes: `candleray second-factor verify`.

    Example: candleray exchange-key delete 9a1f6a1e-52c7-4f7b-8d39-5d0b2f4c6e7a
    """
    with connect(api, data) as client:
        client.delete_exchange_key(key_id)
    if as_json:
        print_json({"deleted": key_id})
    else:
        output().print(f"deleted {key_id}")
