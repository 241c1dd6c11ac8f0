"""The users there are."""

from __future__ import annotations

from candleray.databases.postgres import Postgres
from candleray.identity.models import User


class Users:
    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def known(self, telegram_user_id: int) -> User:
        """The user of that Telegram account, created at the first call."""
        row = await self._postgres.fetch_one("known_user", telegram_user_id)
        assert row is not None
        return User(**row)
