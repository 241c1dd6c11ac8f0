"""Who sent a request."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from candleray.identity import User
from candleray.stores.users import Users
from serve_apps.backend import InBackend

_ONLY_USER = 1


async def _user_of(request: Request, backend: InBackend) -> User:
    return await Users(await backend.postgres()).known(_ONLY_USER)


InUser = Annotated[User, Depends(_user_of)]
