"""Who somebody is: a user exists only through Telegram (R3.1)."""

from __future__ import annotations

from uuid import UUID

from candleray.validation import Model


class User(Model):
    user_id: UUID
    telegram_user_id: int
