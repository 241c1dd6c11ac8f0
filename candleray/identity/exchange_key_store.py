"""Exchange keys in Postgres: sealed by record, and wrapped anew while the service runs."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid4

from candleray.databases.postgres import Postgres
from candleray.errors import Conflict, NotFound
from candleray.identity.audit_store import record
from candleray.identity.exchange_keys import Credentials, NewExchangeKey, credentials_of
from candleray.identity.models import ExchangeKey
from candleray.identity.vault import KeyRing, Sealed


class ExchangeKeys:
    def __init__(self, postgres: Postgres, ring: Callable[[], KeyRing], max_per_user: int = 50) -> None:
        self._postgres = postgres
        self._ring = ring
        self._max_per_user = max_per_user

    async def add(self, user_id: UUID, new: NewExchangeKey) -> ExchangeKey:
        """
        Raises:
            Conflict: there are as many as one user may have.
        """
        key_id = uuid4()
        async with self._postgres.transaction() as transaction:
            await transaction.fetch("share_key_rotation")
            await transaction.fetch("lock_user", user_id)
            counted = await transaction.fetch_one("count_exchange_keys", user_id)
            if counted and counted["keys"] >= self._max_per_user:
                raise Conflict(
                    f"there are {counted['keys']} exchange keys, the most one user may have: delete one"
                )
            # The ring is read after the lock: a rotation that has begun is seen.
            sealed = self._ring().seal(new.sealed_text(), user_id, key_id, new.exchange)
            last_four = new.api_key.reveal()[-4:]
            row = await transaction.fetch_one(
                "add_exchange_key", key_id, user_id, new.exchange, new.label, last_four, sealed.model_dump()
            )
            assert row is not None
            await record(transaction, user_id, "key_added", key_id=str(key_id), exchange=new.exchange)
        return ExchangeKey(**row)

    async def of_user(self, user_id: UUID) -> list[ExchangeKey]:
        """The newest first."""
        return [ExchangeKey(**row) for row in await self._postgres.fetch("exchange_keys_of_user", user_id)]

    async def credentials(self, user_id: UUID, key_id: UUID) -> Credentials:
        """
        Raises:
            NotFound: the user has no such key.
            CannotOpen: the record was changed, or moved here from another one.
        """
        row = await self._postgres.fetch_one("sealed_exchange_key", user_id, key_id)
        if row is None:
            raise _unknown(key_id)
        return credentials_of(self._ring().open(Sealed(**row["sealed"]), user_id, key_id, row["exchange"]))

    async def delete(self, user_id: UUID, key_id: UUID) -> None:
        """
        Raises:
            NotFound: the user has no such key.
        """
        async with self._postgres.transaction() as transaction:
            if await transaction.fetch_one("delete_exchange_key", user_id, key_id) is None:
                raise _unknown(key_id)
            await record(transaction, user_id, "key_deleted", key_id=str(key_id))


def _unknown(key_id: UUID) -> NotFound:
    return NotFound(f"there is no exchange key {key_id}")
