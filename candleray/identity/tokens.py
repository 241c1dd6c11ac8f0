"""Tokens: what a logged-in caller carries, and what it allows.

A token is 256 random bits behind a prefix that says what it is, so that secret scanners find a leaked one. Only
its SHA-256 is kept: with so many bits nothing slower is needed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal, get_args
from uuid import UUID

from pydantic import AfterValidator, Field

from candleray.identity.models import User
from candleray.timeframes import Moment
from candleray.validation import Model

Scope = Literal["read", "trade", "account"]
"""`read`: see what is one's own, and compute. `trade`: change it: candles, strategies, runs, jobs.
`account`: sessions, tokens, the second factor, exchange keys."""
SCOPES: tuple[Scope, ...] = get_args(Scope)

Kind = Literal["session", "api"]

_PREFIX: dict[Kind, str] = {"session": "crs_", "api": "crt_"}
_TOKEN = re.compile(r"cr[st]_[A-Za-z0-9_-]{43}")


def new_token(kind: Kind) -> str:
    return _PREFIX[kind] + secrets.token_urlsafe(32)


def looks_like_token(text: str) -> bool:
    return _TOKEN.fullmatch(text) is not None


def token_hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def csrf_token(session_token: str) -> str:
    """Bound to its session, and of no use without it: a page may read it, the session's token it may not."""
    return hmac.digest(session_token.encode(), b"candleray csrf", "sha256").hex()


class Caller(Model):
    """Who sent a request, and by which token."""

    user: User
    token_id: UUID
    kind: Kind
    scopes: tuple[Scope, ...]
    code_verified_at: datetime | None = None
    """When this token last came with a code of the second factor."""

    def verified_within(self, seconds: float, now: datetime) -> bool:
        return self.code_verified_at is not None and (now - self.code_verified_at).total_seconds() <= seconds


class TokenInfo(Model):
    """A session or a personal API token, without what proves it."""

    token_id: UUID
    kind: Kind
    name: str
    scopes: tuple[Scope, ...]
    created_at: Moment
    last_used_at: Moment
    """To the minute."""
    expires_at: Moment
    """A session's moves on with its use, up to `ends_at`."""
    ends_at: Moment
    current: bool = False
    """It is the one this request came with."""


def _in_order(scopes: Sequence[Scope]) -> tuple[Scope, ...]:
    return tuple(scope for scope in SCOPES if scope in scopes)


class TokenRequest(Model):
    """A personal API token to be made."""

    name: str = Field(min_length=1, max_length=64, pattern=r"^[\w .:@/-]+$")
    """For people, to tell their tokens apart."""
    scopes: Annotated[
        tuple[Scope, ...], Field(min_length=1, max_length=len(SCOPES)), AfterValidator(_in_order)
    ] = ("read",)
    days: int = Field(90, ge=1, le=366)
    """How long it is good for."""


class NewToken(Model):
    """A token as it is shown: once."""

    token: str
    info: TokenInfo


class CookieLogin(Model):
    """What a page learns of a login whose token is in a cookie it cannot read."""

    csrf_token: str
    """Goes into the header `X-CSRF-Token` of everything that changes something."""
    info: TokenInfo


def utc_now() -> datetime:
    return datetime.now(UTC)
