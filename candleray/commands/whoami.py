"""`candleray whoami`."""

from __future__ import annotations

import sys

from candleray.terminal.console import output
from candleray.terminal.options import ApiUrl, AsJson, DataDir, connect


def whoami(as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None) -> None:
    """Show the user that the commands act for, the user's role, and what the token may do.

    An operator also writes what all users share: candles and instruments.

    Example: candleray whoami
    """
    from candleray.identity.models import Me
    from candleray.sdk.connection import read

    with connect(api, data) as client:
        answer = client.send("GET", "/me")
        if as_json:
            sys.stdout.buffer.write(answer)
            return
        me = read(Me, answer)
        output().print(
            f"user {me.user_id} (Telegram {me.telegram_user_id}) at {client.url}: {me.role}, "
            f"by a token for {', '.join(me.scopes)}"
        )
