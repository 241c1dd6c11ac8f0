"""Sender of a request: user, token and address."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from candleray.errors import Forbidden
from candleray.identity.models import User
from candleray.identity.tokens import Caller, utc_now
from serve_apps.backend import InBackend
from serve_apps.http.access import CALLER, NOBODY


async def _caller_of(request: Request) -> Caller:
    caller = request.scope.get(CALLER)
    if not isinstance(caller, Caller):
        raise NOBODY
    return caller


InCaller = Annotated[Caller, Depends(_caller_of)]


async def _user_of(caller: InCaller) -> User:
    return caller.user


InUser = Annotated[User, Depends(_user_of)]


async def _fresh_caller(caller: InCaller, backend: InBackend) -> Caller:
    minutes = backend.settings.identity.fresh_code_minutes
    if not caller.verified_within(60 * minutes, utc_now()):
        raise Forbidden(f"this needs a code of the second factor within the last {minutes} minutes")
    return caller


InFreshCaller = Annotated[Caller, Depends(_fresh_caller)]


async def _fresh_user(caller: InFreshCaller) -> User:
    return caller.user


InFreshUser = Annotated[User, Depends(_fresh_user)]
"""A user whose token came with a code of the second factor minutes ago."""


def address_of(request: Request, header: str | None) -> str:
    """The address that a request came from; a header counts only where the settings name it."""
    if header and (given := request.headers.get(header)):
        return given.rpartition(",")[2].strip()[:64]
    return request.client.host if request.client else "unknown"
