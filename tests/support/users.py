"""Users whom no other test knows."""

from __future__ import annotations

from uuid import UUID, uuid4

from candleray.databases.postgres import Postgres
from candleray.identity.models import User
from candleray.identity.user_store import Users


async def new_user(postgres: Postgres) -> User:
    return await Users(postgres).known(uuid4().int >> 66)


async def new_user_id(postgres: Postgres) -> UUID:
    return (await new_user(postgres)).user_id
