"""Sessions and personal API tokens in Postgres, by the hash of the token alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from candleray.databases.postgres import Postgres, Transaction
from candleray.errors import Conflict, NotFound
from candleray.identity.audit import Event
from candleray.identity.audit_store import record
from candleray.identity.models import SCOPES, Kind, NewToken, TokenInfo, TokenRequest, User
from candleray.identity.tokens import Caller, looks_like_token, new_token, token_hash, utc_now
from candleray.settings import IdentitySettings

TOUCH_AFTER = timedelta(minutes=1)
"""The most that `last_used_at` may be late: a write a minute and token, not one a request."""

_REVOKED: dict[Kind, Event] = {"session": "session_revoked", "api": "token_revoked"}


class AccessTokens:
    def __init__(self, postgres: Postgres, rules: IdentitySettings) -> None:
        self._postgres = postgres
        self._rules = rules

    async def caller_of(self, token: str) -> Caller | None:
        """Return the caller whom the token stands for; None where it is unknown, expired or revoked."""
        if not looks_like_token(token):
            return None
        row = await self._postgres.fetch_one("caller_of_token", token_hash(token))
        if row is None:
            return None
        if utc_now() - row["last_used_at"] > TOUCH_AFTER:
            sliding = timedelta(hours=self._rules.session_idle_hours)
            await self._postgres.fetch("touch_access_token", row["token_id"], sliding)
        user = User(user_id=row["user_id"], telegram_user_id=row["telegram_user_id"])
        return Caller(
            user=user,
            token_id=row["token_id"],
            kind=row["kind"],
            scopes=row["scopes"],
            is_first_user=row["is_first_user"],
            code_verified_at=row["code_verified_at"],
        )

    async def log_in(self, telegram_user_id: int, name: str) -> NewToken:
        """A new session; the first one makes the user."""
        async with self._postgres.transaction() as transaction:
            added = await transaction.fetch_one("add_user", telegram_user_id)
            row = added or await transaction.fetch_one("user_by_telegram_id", telegram_user_id)
            assert row is not None
            user_id: UUID = row["user_id"]
            idle, most = timedelta(hours=self._rules.session_idle_hours), timedelta(days=self._rules.session_days)
            session = await self._add(transaction, user_id, "session", name, list(SCOPES), idle, most)
            if added:
                await record(transaction, user_id, "user_created")
            await record(transaction, user_id, "logged_in", token_id=str(session.info.token_id))
        return session

    async def create(self, user: User, request: TokenRequest) -> NewToken:
        """A personal API token.

        Raises:
            Conflict: there are as many as one user may have.
        """
        async with self._postgres.transaction() as transaction:
            await transaction.fetch("lock_user", user.user_id)
            counted = await transaction.fetch_one("count_api_tokens", user.user_id)
            if counted and counted["tokens"] >= self._rules.max_api_tokens:
                raise Conflict(f"there are {counted['tokens']} API tokens, the most one user may have: revoke one")
            days = timedelta(days=request.days)
            token = await self._add(
                transaction, user.user_id, "api", request.name, list(request.scopes), days, days
            )
            await record(transaction, user.user_id, "token_created", token_id=str(token.info.token_id))
        return token

    async def of_user(self, user: User, kind: Kind) -> list[TokenInfo]:
        """List the good ones, the newest first."""
        return [
            TokenInfo(**row) for row in await self._postgres.fetch("access_tokens_of_user", user.user_id, kind)
        ]

    async def log_out(self, caller: Caller) -> None:
        await self._revoke(caller.user, caller.token_id, caller.kind, "logged_out")

    async def revoke(self, user: User, token_id: UUID, kind: Kind) -> None:
        """
        Raises:
            NotFound: the user has no such token.
        """
        await self._revoke(user, token_id, kind, _REVOKED[kind])

    async def revoke_other_sessions(self, caller: Caller) -> int:
        """End all but the caller's own; return how many there were."""
        async with self._postgres.transaction() as transaction:
            rows = await transaction.fetch("revoke_other_sessions", caller.user.user_id, caller.token_id)
            await record(transaction, caller.user.user_id, "other_sessions_revoked", sessions=len(rows))
        return len(rows)

    async def _revoke(self, user: User, token_id: UUID, kind: Kind, event: Event) -> None:
        async with self._postgres.transaction() as transaction:
            if await transaction.fetch_one("revoke_access_token", token_id, user.user_id, kind) is None:
                raise NotFound(f"there is no {'session' if kind == 'session' else 'API token'} {token_id}")
            await record(transaction, user.user_id, event, token_id=str(token_id))

    async def _add(self, transaction: Transaction, *values: Any) -> NewToken:
        user_id, kind, name, scopes, idle, most = values
        token, now = new_token(kind), utc_now()
        row = await transaction.fetch_one(
            "add_access_token", user_id, kind, name, scopes, token_hash(token), now + idle, now + most
        )
        assert row is not None
        return NewToken(token=token, info=TokenInfo(**row))
