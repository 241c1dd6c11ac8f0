"""Services whose opening is cancelled: nothing stays open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from candleray.databases.postgres import Postgres
from candleray.databases.valkey import Valkey
from candleray.errors import ServiceUnavailable
from tests.support import embedded
from tests.support.waiting import let_work_until

NAME = "cancelled-opening"


@dataclass
class Silent:
    """A Valkey that takes connections and says nothing."""

    port: int = 0
    begun: int = 0
    open: int = 0

    async def listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.begun += 1
        self.open += 1
        while await reader.read(1000):
            pass
        self.open -= 1
        writer.close()


@pytest.fixture
async def silent() -> AsyncIterator[Silent]:
    valkey = Silent()
    async with await asyncio.start_server(valkey.listen, "127.0.0.1", 0) as server:
        valkey.port = server.sockets[0].getsockname()[1]
        yield valkey


async def cancelled(opening: Callable[[], Awaitable[object]], within_s: float) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(within_s):
            await opening()


async def test_a_valkey_that_says_nothing_is_let_go(silent: Silent) -> None:
    await cancelled(lambda: Valkey.open(f"redis://127.0.0.1:{silent.port}/0"), 0.3)
    assert silent.begun
    await let_work_until(lambda: not silent.open, what="the connection is closed")


async def test_a_postgres_that_is_being_migrated_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    async def migrate(postgres: Postgres) -> None:
        async with postgres.connection() as connection:
            await connection.execute("SELECT pg_sleep(60)")

    url = embedded.postgres_url()
    named = f"{url}{'&' if '?' in url else '?'}application_name={NAME}"
    witness = await Postgres.open(url, 1)
    async with witness.connection() as connection:
        with monkeypatch.context() as patched:
            patched.setattr(Postgres, "migrate", migrate)
            await cancelled(lambda: Postgres.open(named, 2), 1.0)

        async def is_let_go() -> bool:
            count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1"
            return await connection.fetchval(count, NAME) == 0

        await let_work_until(is_let_go, what="its connections are closed")
    await witness.close()


async def test_who_waits_for_an_answer_while_its_valkey_is_closed_leaves_nothing_open(valkey_url: str) -> None:
    store = await Valkey.open(valkey_url)

    async def read() -> None:
        async with store.answering() as client:
            await client.xread({"nobody writes here": "$"}, block=500)

    reading = asyncio.ensure_future(read())
    await asyncio.sleep(0.1)
    await store.close()
    await asyncio.wait([reading])
    pool = store.client.connection_pool
    # The pool tells of its connections to nobody: of all that it has made, those that are connected.
    known = [*pool._available_connections, *pool._in_use_connections]
    assert [one for one in known if one.is_connected] == []
    with pytest.raises(ServiceUnavailable, match="this client is closed"):
        await store.ping()
