"""A pool of connections to Postgres, which keeps everything durable but the candles."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any
from weakref import WeakValueDictionary

import asyncpg

from candleray.databases.statements import Migration, migrations, named_statements, pending
from candleray.databases.urls import split_url, without_credentials
from candleray.errors import ServiceUnavailable, StatementRefused, first_line
from candleray.network.forks import require_own

_CONNECT_TIMEOUT_S = 10.0

_KEPT_OPEN = 4
"""Connections that a pool keeps open. A server whose parent process hangs lets nobody in, and answers on these."""

_STOPPED_AFTER_S = 20.0
"""A process that is stopped amid a transaction, or hangs, keeps its locks for no longer than this."""

_TRANSIENT = ("08", "25006", "25P03", "28", "3D", "40", "53", "55P03", "57", "58")
"""Prefixes of SQLSTATE that blame no statement: connections, accounts, resources, shutdowns, deadlocks."""


_borrower: ContextVar[str | None] = ContextVar("borrower", default=None)


@contextmanager
def borrowing_for(user: str) -> Iterator[None]:
    """Connections that are borrowed within count to this user's share, which is half of a pool.

    Requests of one user may all wait for one lock; those of others need connections meanwhile.
    """
    before = _borrower.set(user)
    try:
        yield
    finally:
        _borrower.reset(before)


class Postgres:
    def __init__(self, pool: asyncpg.Pool, address: str) -> None:
        self._pool = pool
        self._statements = named_statements("postgres")
        self.address = address
        self._pid = os.getpid()
        self._shares: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @classmethod
    async def open(cls, url: str, max_connections: int = 10) -> Postgres:
        """Connect to `postgresql://user:password@host:5432/database` (`?host=/folder` for a unix socket), migrate.

        Raises:
            InvalidInput: the URL is none of Postgres.
            ServiceUnavailable: nothing answers there, or not to this user.
            InstanceError: this version cannot bring the schema up to date.
        """
        address = without_credentials(split_url(url, "postgres_url", ("postgresql", "postgres")))
        async with _translated(address):
            pool = await asyncpg.create_pool(
                url,
                min_size=min(_KEPT_OPEN, max_connections),
                max_size=max_connections,
                timeout=_CONNECT_TIMEOUT_S,
                command_timeout=60,
                init=_decode_json,
                server_settings={"idle_in_transaction_session_timeout": f"{_STOPPED_AFTER_S * 1000:.0f}"},
            )
        store = cls(pool, address)
        try:
            await store.migrate()
        except BaseException:  # who is cancelled meanwhile leaves nothing open
            await store.close()
            raise
        return store

    async def close(self) -> None:
        async with _translated(self.address):
            await self._pool.close()

    async def ping(self) -> None:
        """Raises ServiceUnavailable where Postgres does not answer."""
        async with self.connection() as connection:
            await connection.fetchval(self._statements["ping"])

    async def migrate(self, known: Sequence[Migration] | None = None) -> None:
        """Apply the migrations that this database lacks: all of them or, after a failure, none.

        Raises:
            InstanceError: an applied migration reads differently now.
        """
        async with self.connection() as connection, connection.transaction():
            await connection.execute(self._statements["lock_migrations"])
            await connection.execute(self._statements["create_migrations"])
            rows = await connection.fetch(self._statements["applied_migrations"])
            applied = {row["number"]: row["checksum"] for row in rows}
            for migration in pending(migrations("postgres") if known is None else known, applied):
                for statement in migration.statements:
                    await connection.execute(statement)
                await connection.execute(
                    self._statements["record_migration"], migration.number, migration.name, migration.checksum
                )

    def statement(self, name: str) -> str:
        """The SQL of a named statement, for a connection that is borrowed for longer."""
        return self._statements[name]

    async def fetch(self, statement: str, *arguments: Any) -> list[dict[str, Any]]:
        """Run a named statement; its rows."""
        async with self.connection() as connection:
            return [dict(row) for row in await connection.fetch(self._statements[statement], *arguments)]

    async def fetch_one(self, statement: str, *arguments: Any) -> dict[str, Any] | None:
        """Run a named statement; its first row, if there is one."""
        rows = await self.fetch(statement, *arguments)
        return rows[0] if rows else None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open a transaction: its statements take effect together or not at all."""
        async with self.connection() as connection, connection.transaction():
            yield Transaction(connection, self._statements)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Borrow a connection of the pool; the driver's errors are raised as ours."""
        require_own(self._pid, f"the pool of Postgres at {self.address}")
        async with (
            _translated(self.address),
            self._share(),
            self._pool.acquire(timeout=_CONNECT_TIMEOUT_S) as connection,
        ):
            yield connection

    @asynccontextmanager
    async def _share(self) -> AsyncIterator[None]:
        user = _borrower.get()
        if user is None:
            yield
            return
        share = self._shares.get(user)
        if share is None:
            share = self._shares[user] = asyncio.Semaphore(max(1, self._pool.get_max_size() // 2))
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            await share.acquire()
        try:
            yield
        finally:
            share.release()


class Transaction:
    def __init__(self, connection: asyncpg.Connection, statements: Mapping[str, str]) -> None:
        self._connection = connection
        self._statements = statements

    async def fetch(self, statement: str, *arguments: Any) -> list[dict[str, Any]]:
        return [dict(row) for row in await self._connection.fetch(self._statements[statement], *arguments)]

    async def fetch_one(self, statement: str, *arguments: Any) -> dict[str, Any] | None:
        rows = await self.fetch(statement, *arguments)
        return rows[0] if rows else None


@asynccontextmanager
async def _translated(address: str) -> AsyncIterator[None]:
    """Raise the driver's errors as ours."""
    try:
        yield
    except asyncpg.PostgresError as exc:
        if exc.sqlstate is None or exc.sqlstate.startswith(_TRANSIENT):
            raise ServiceUnavailable(f"Postgres at {address} does not answer: {_kind(exc)}") from exc
        # A data error's text quotes the value, so that it is not kept as the cause.
        cause = None if isinstance(exc, asyncpg.DataError) else exc
        raise StatementRefused(f"Postgres at {address} refused a statement: {_kind(exc)}") from cause
    except asyncpg.InternalClientError as exc:  # what came is not Postgres's protocol; its text may quote it
        raise ServiceUnavailable(f"what answers at {address} is no Postgres ({type(exc).__name__})") from None
    except asyncpg.InterfaceError as exc:
        if "clos" not in str(exc):  # a closed connection or pool has no error class of its own
            raise StatementRefused("the driver of Postgres was used wrongly") from exc
        raise ServiceUnavailable(f"Postgres at {address} does not answer: {first_line(exc)}") from exc
    except (OSError, TimeoutError) as exc:
        raise ServiceUnavailable(f"Postgres at {address} does not answer: {first_line(exc)}") from exc


def _kind(error: asyncpg.PostgresError) -> str:
    """The class of an error, and nothing of its text, which may quote SQL, values and accounts."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__.removesuffix("Error")).lower()
    return f"{words} ({error.sqlstate})"


async def _decode_json(connection: asyncpg.Connection) -> None:
    """Turn columns of JSON into Python's dicts and lists."""
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(kind, encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
