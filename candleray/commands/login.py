"""`candleray login`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from candleray.terminal.console import notes, output, print_json
from candleray.terminal.options import ApiUrl, AsJson, DataDir, connect

if TYPE_CHECKING:
    from candleray.identity.models import WidgetLogin


def login(
    token: Annotated[
        bool, typer.Option("--token", help="Ask for an API token made elsewhere, in place of logging in.")
    ] = False,
    telegram_user_id: Annotated[
        int, typer.Option("--telegram-user-id", help="Which Telegram account, where the bot's token is at hand.")
    ] = 1,
    browser: Annotated[
        bool, typer.Option("--browser", help="Print a link that logs a browser in, once and within five minutes.")
    ] = False,
    as_json: AsJson = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Log in, and keep the token in a private file for the commands and programs to come.

    On a machine that holds the instance's bot token, the login is signed with it as Telegram would. Elsewhere log
    in on the web page, make an API token there, and give it here: `candleray login --token`.

    Example: candleray login --data ~/candles
    """
    from candleray.sdk.credentials import TOKEN_VARIABLE, keep_token

    if browser:
        _print_link(telegram_user_id, as_json, api, data)
        return
    with connect(api, data) as client:
        if token:
            secret = typer.prompt("API token", hide_input=True, err=True).strip()
        else:
            secret = client.log_in(_signed(telegram_user_id, data)).token
        url = client.url
    with connect(url, None, token=secret) as client:
        user = client.me()
    path = keep_token(url, secret)
    if as_json:
        print_json({"url": url, "user": user, "token_file": str(path)})
    else:
        output().print(
            f"logged in at {url} as user {user.user_id} (Telegram {user.telegram_user_id}); token in {path}"
        )
    if os.environ.get(TOKEN_VARIABLE):
        notes().print(f"{TOKEN_VARIABLE} is set, and comes before that file")


def _print_link(telegram_user_id: int, as_json: bool, api: str | None, data: Path | None) -> None:
    from candleray.identity.login_link import login_link

    with connect(api, data) as client:
        link = login_link(client.url, _signed(telegram_user_id, data))
    if as_json:
        print_json({"link": link})
    else:
        output().print(link)


def _signed(telegram_user_id: int, data: Path | None) -> WidgetLogin:
    import time

    from candleray.errors import InstanceError
    from candleray.identity.local_secrets import BOT_TOKEN
    from candleray.identity.telegram import sign_widget
    from candleray.private_files import expanded, read_private
    from candleray.settings import get_settings

    settings = get_settings()
    folder = expanded(data) if data else settings.data_path
    given = settings.identity.bot_token
    bot_token = given.get_secret_value() if given else read_private(folder / BOT_TOKEN)
    if bot_token is None:
        raise InstanceError(
            f"there is no bot token in {folder}: name the instance's data folder by --data, or give an API token "
            "to `candleray login --token`"
        )
    return sign_widget(telegram_user_id, bot_token, time.time())
