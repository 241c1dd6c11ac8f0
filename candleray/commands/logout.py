"""`candleray logout`."""

from __future__ import annotations

from candleray.terminal.console import output, print_json
from candleray.terminal.options import ApiUrl, AsJson, DataDir, connect


def logout(as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None) -> None:
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
    if as_json:
        print_json({"url": client.url, "was_logged_in": said == "logged out"})
    else:
        output().print(f"{said} at {client.url}")
