"""Sender of a request: user, token and address."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Annotated

from fastapi import Depends, Request
from pydantic import IPvAnyNetwork

from candleray.errors import Forbidden
from candleray.identity.models import User
from candleray.identity.tokens import Caller, utc_now
from candleray.settings import Settings
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


def address_of(request: Request, settings: Settings) -> str:
    """The address that a request came from; a header counts only where a proxy that the settings name sends it."""
    address = request.client.host if request.client else "unknown"
    named = ",".join(request.headers.getlist(settings.identity.address_header)).split(",")
    while named and _is_in(address, settings.api.proxies):
        told = named.pop().strip()
        if not _is_address(told):
            break
        address = told
    return address


def _is_in(address: str, networks: Iterable[IPvAnyNetwork]) -> bool:
    return _is_address(address) and any(ip_address(address) in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
