"""`candleray tokens`: personal API tokens."""

from __future__ import annotations

from typing import Annotated

import typer

from candleray.terminal.console import output, print_json
from candleray.terminal.options import ApiUrl, AsJson, AsJsonList, DataDir, connect
from candleray.terminal.tables import print_table, second_text

HELP = """List, make and revoke personal API tokens.

Example: candleray tokens create notebook --scope read
"""

tokens = typer.Typer(no_args_is_help=True, help=HELP)


@tokens.command("list")
def list_tokens(as_json: AsJsonList = False, api: ApiUrl = None, data: DataDir = None) -> None:
    """Show the tokens that are good; never what proves them.

    Example: candleray tokens list
    """
    with connect(api, data) as client:
        tokens = client.tokens()
    if as_json:
        print_json(tokens)
        return
    rows = [(str(one.token_id), one.name, ", ".join(one.scopes), second_text(one.expires_at)) for one in tokens]
    names = ("token", "name", "scopes", "until")
    print_table(output(), names, rows, text=names)


@tokens.command("create")
def create(
    name: Annotated[str, typer.Argument(help="For you, to tell your tokens apart.")],
    scope: Annotated[
        list[str], typer.Option("--scope", help="One of read, trade, account; may be given again.")
    ] = [  # noqa: B006
        "read"
    ],
    days: Annotated[int, typer.Option("--days", help="How long it is good for.")] = 90,
    as_json: AsJson = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Make a token and print it, once.

    Example: candleray tokens create notebook --scope read --scope trade
    """
    from candleray.identity.models import TokenRequest
    from candleray.validation import validated

    request = validated(TokenRequest, {"name": name, "scopes": scope, "days": days})
    with connect(api, data) as client:
        created = client.create_token(request)
    if as_json:
        print_json(created)
    else:
        output().print(created.token)


@tokens.command("revoke")
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="TOKEN", help="Its id, the beginning of one, or its name.")],
    as_json: AsJson = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Revoke a token at once.

    Example: candleray tokens revoke notebook
    """
    with connect(api, data) as client:
        client.revoke_token(token_id)
    if as_json:
        print_json({"revoked": token_id})
    else:
        output().print(f"revoked {token_id}")
