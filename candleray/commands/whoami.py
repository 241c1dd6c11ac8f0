"""`candleray whoami`."""

from __future__ import annotations

from candleray.terminal.console import output
from candleray.terminal.options import ApiUrl, DataDir, connect


def whoami(api: ApiUrl = None, data: DataDir = None) -> None:
    """Show the user that the commands act for.

    Example: candleray whoami
    """
    with connect(api, data) as client:
        user = client.me()
        output().print(f"user {user.user_id} (Telegram {user.telegram_user_id}) at {client.url}")
