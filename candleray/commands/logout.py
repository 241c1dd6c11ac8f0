"""`candleray logout`."""

from __future__ import annotations

from candleray.terminal.console import output
from candleray.terminal.options import ApiUrl, DataDir, connect


def logout(api: ApiUrl = None, data: DataDir = None) -> None:
    """End the session at the API and forget its token here.

    Example: candleray logout
    """
    from candleray.errors import Unauthenticated
    from candleray.sdk.credentials import forget_token

    with connect(api, data) as client:
        try:
            client.log_out()
            said = "logged out"
        except Unauthenticated:
            said = "was not logged in"
        forget_token(client.url)
        output().print(f"{said} at {client.url}")
