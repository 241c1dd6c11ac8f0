"""Tokens: what a logged-in caller carries, and what it allows.

A token is 256 random bits behind a prefix that says what it is, so that secret scanners find a leaked one. Only
its SHA-256 is kept: with so many bits nothing slower is needed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import UTC, datetime
from uuid import UUID

from candleray.identity.models import Kind, Scope, User
from candleray.validation import Model

_PREFIX: dict[Kind, str] = {"session": "crs_", "api": "crt_"}
_TOKEN = re.compile(r"cr[st]_[A-Za-z0-9_-]{43}")


def new_token(kind: Kind) -> str:
    return _PREFIX[kind] + secrets.token_urlsafe(32)


def looks_like_token(text: str) -> bool:
    return _TOKEN.fullmatch(text) is not None


def token_hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def csrf_token(session_token: str) -> str:
    """The CSRF token of a session: a page may read it, but not the session's token."""
    return hmac.digest(session_token.encode(), b"candleray csrf", "sha256").hex()


class Caller(Model):
    """The sender of a request, and the token it was sent with."""

    user: User
    token_id: UUID
    kind: Kind
    scopes: tuple[Scope, ...]
    is_first_user: bool = False
    """Nobody has been a user of this instance for longer."""
    code_verified_at: datetime | None = None
    """The last time that this token came with a code of the second factor."""

    def verified_within(self, seconds: float, now: datetime) -> bool:
        return self.code_verified_at is not None and (now - self.code_verified_at).total_seconds() <= seconds


def utc_now() -> datetime:
    return datetime.now(UTC)
