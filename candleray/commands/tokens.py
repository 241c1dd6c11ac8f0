"""`candleray tokens`: personal API tokens."""

from __future__ import annotations

from typing import Annotated

import typer

from candleray.terminal.console import output
from candleray.terminal.options import ApiUrl, AsJsonList, DataDir, connect

HELP = """List, make and revoke personal API tokens.

Example: candleray tokens create notebook --scope read
"""

tokens = typer.Typer(no_args_is_help=True, help=HELP)


@tokens.command("list")
def list_tokens(as_json: AsJsonList = False, api: ApiUrl = None, data: DataDir = None) -> None:
    """Show the tokens that are good; never what proves them.

    Example: candleray tokens list
    """
    from candleray.sdk.connection import encoded
    from candleray.timeframes import iso, to_ms

    with connect(api, data) as client:
        listed = client.tokens()
    if as_json:
        typer.echo(encoded(listed))
        return
    for info in listed:
        expires = iso(to_ms(info.expires_at))
        output().print(f"{info.token_id}  {info.name}  {','.join(info.scopes)}  until {expires}")


@tokens.command("create")
def create(
    name: Annotated[str, typer.Argument(help="For you, to tell your tokens apart.")],
    scope: Annotated[list[str], typer.Option("--scope", help="read, trade or account; may be given again.")] = [  # noqa: B006
        "read"
    ],
    days: Annotated[int, typer.Option("--days", help="How long it is good for.")] = 90,
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
        output().print(client.create_token(request).token)


@tokens.command("revoke")
def revoke(
    token_id: Annotated[str, typer.Argument(help="As `candleray tokens list` shows it.")],
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Revoke a token at once."""
    with connect(api, data) as client:
        client.revoke_token(token_id)
    output().print(f"revoked {token_id}")
