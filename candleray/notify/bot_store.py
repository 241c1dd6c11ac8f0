"""The bot as its actor last told of it, in Postgres: its name makes links, and its trouble is shown."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from candleray.databases.postgres import Postgres

SILENT_AFTER = timedelta(minutes=3)


class BotStates:
    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def tell(self, username: str, trouble: str | None) -> None:
        await self._postgres.fetch("tell_telegram_bot", username, trouble)

    async def forget(self) -> None:
        await self._postgres.fetch("forget_telegram_bot")

    async def notice(self) -> str | None:
        """Words for an operator where messages do not go out; None where they do, or there is no bot."""
        trouble = trouble_of(await self._postgres.fetch_one("telegram_bot"))
        return trouble and f"Telegram: {trouble}"


def trouble_of(bot: dict[str, Any] | None) -> str | None:
    """The reason that messages do not go out, as the bot last told; None where they do, or there is none."""
    if bot is None:
        return None
    if bot["silent"] > SILENT_AFTER:  # whatever it told before is no longer known to be so
        return f"the notifier has told nothing since {bot['told_at']:%Y-%m-%dT%H:%M:%SZ}"
    if bot["trouble"]:
        return f"{bot['trouble']} (since {bot['trouble_since']:%Y-%m-%dT%H:%M:%SZ})"
    return None
