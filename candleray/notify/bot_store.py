"""The bot as its actor last told of it, in Postgres: its name makes links, and its trouble is shown."""

from __future__ import annotations

from datetime import timedelta

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
        row = await self._postgres.fetch_one("telegram_bot")
        if row is None:
            return None
        if row["trouble"]:
            return f"Telegram: {row['trouble']} (since {row['trouble_since']:%Y-%m-%dT%H:%M:%SZ})"
        if row["silent"] > SILENT_AFTER:
            return f"Telegram: the notifier has told nothing since {row['told_at']:%Y-%m-%dT%H:%M:%SZ}"
        return None
