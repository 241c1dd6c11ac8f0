"""Postgres and Valkey by URL: migrations, readiness, and messages without secrets."""

from __future__ import annotations

import asyncio

import pytest

from candleray.databases.postgres import Postgres
from candleray.databases.statements import Migration, _named, migrations
from candleray.databases.valkey import Valkey
from candleray.errors import InstanceError, InvalidInput, ServiceUnavailable, StatementRefused


def migration(number: int, *statements: str, checksum: str = "") -> Migration:
    return Migration(number, f"step_{number}", statements, checksum or f"checksum {number}")


async def tables(store: Postgres, like: str) -> list[str]:
    async with store.connection() as connection:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE tablename LIKE $1 ORDER BY 1", like)
    return [row["tablename"] for row in rows]


async def test_it_answers_until_it_is_gone(postgres_url: str) -> None:
    store = await Postgres.open(postgres_url)
    await store.ping()
    await store.close()
    with pytest.raises(ServiceUnavailable, match="Postgres at postgresql:///candleray"):
        await store.ping()


async def test_migrations_are_applied_once_in_order_however_many_start_together(postgres_url: str) -> None:
    known = [
        *migrations("postgres"),
        migration(9002, "ALTER TABLE together ADD COLUMN name text"),
        migration(9001, "CREATE TABLE together (id int)", "INSERT INTO together VALUES (1)"),
    ]
    stores = await asyncio.gather(*(Postgres.open(postgres_url, max_connections=1) for _ in range(4)))
    await asyncio.gather(*(store.migrate(known) for store in stores))
    async with stores[0].connection() as connection:
        assert [tuple(row) for row in await connection.fetch("SELECT * FROM together")] == [(1, None)]
        await connection.execute("DROP TABLE together; DELETE FROM schema_migrations WHERE number > 9000")
    for store in stores:
        await store.close()


def test_two_statements_of_one_name_are_refused() -> None:
    assert _named(["-- name: one\nSELECT 1;\n", "-- name: other\nSELECT 2;\n"]) == {
        "one": "SELECT 1",
        "other": "SELECT 2",
    }
    with pytest.raises(ValueError, match="two statements are named one"):
        _named(["-- name: one\nSELECT 1;\n", "-- name: one\nSELECT 2;\n"])


async def test_a_migration_that_fails_leaves_nothing_behind(postgres_url: str) -> None:
    store = await Postgres.open(postgres_url)
    ours = list(migrations("postgres"))
    broken = [*ours, migration(9001, "CREATE TABLE half (id int)"), migration(9002, "CREATE TABLE half (id int)")]
    with pytest.raises(StatementRefused, match=r"duplicate table \(42P07\)"):
        await store.migrate(broken)
    assert await tables(store, "half") == []
    await store.migrate(broken[:-1])
    assert await tables(store, "half") == ["half"]
    with pytest.raises(InstanceError, match=r"migration 9001 .* was applied with other content"):
        await store.migrate([*ours, migration(9001, "CREATE TABLE half (id int)", checksum="another")])
    async with store.connection() as connection:
        await connection.execute("DROP TABLE half; DELETE FROM schema_migrations WHERE number > 9000")
    await store.close()


async def test_valkey_answers_until_it_is_gone(valkey_url: str) -> None:
    store = await Valkey.open(valkey_url)
    await store.ping()
    async with store.answering() as client:
        await client.xadd("stream", {"minute": 1})
        assert await client.xlen("stream") == 1
    await store.close()


@pytest.mark.parametrize("open_url", [Postgres.open, Valkey.open])
@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("{scheme}://user:s3cret@127.0.0.1:9/db", ServiceUnavailable),
        ("{scheme}://user:s3cret@host:s3cret/db", InvalidInput),
        ("ftp://user:s3cret@host/db", InvalidInput),
    ],
)
async def test_what_does_not_answer_is_named_without_its_password(open_url, url: str, error: type) -> None:  # type: ignore[no-untyped-def]
    scheme = "postgresql" if open_url == Postgres.open else "redis"
    with pytest.raises(error) as caught:
        await open_url(url.format(scheme=scheme))
    assert "s3cret" not in str(caught.value)
    if error is ServiceUnavailable:
        assert "127.0.0.1:9" in str(caught.value)


@pytest.mark.parametrize(
    ("statement", "arguments", "told"),
    [
        ("SELECT secret_column FROM users", (), "undefined column (42703)"),
        ("SELEC 1", (), "postgres syntax (42601)"),
        ("SELECT 1 / 0", (), "division by zero (22012)"),
        ("SELECT $1::uuid", ("a-canary",), "data (22000)"),
        ("SELECT 'a-canary'::int", (), "invalid text representation (22P02)"),
        ("INSERT INTO users (user_id) VALUES (NULL)", (), "not null violation (23502)"),
        ("SELECT 1", (2,), "the driver of Postgres was used wrongly"),
    ],
)
async def test_a_mistake_in_a_statement_is_ours_and_says_nothing_of_it(
    postgres: Postgres, statement: str, arguments: tuple[object, ...], told: str
):
    with pytest.raises(StatementRefused) as caught:
        async with postgres.connection() as connection:
            await connection.fetch(statement, *arguments)
    assert caught.value.message.endswith(told)
    assert (caught.value.status, caught.value.code) == (500, "internal")
    assert "canary" not in f"{caught.value}{caught.value.__cause__}"


@pytest.mark.parametrize("sqlstate", ["08006", "28P01", "40P01", "53300", "57P01", "57P03"])
async def test_trouble_with_the_connection_is_passing_and_quotes_nothing(postgres: Postgres, sqlstate: str):
    raised = f"DO $$ BEGIN RAISE EXCEPTION 'a-canary' USING ERRCODE = '{sqlstate}'; END $$"
    with pytest.raises(ServiceUnavailable, match=rf"\({sqlstate}\)") as caught:
        async with postgres.connection() as connection:
            await connection.execute(raised)
    assert "canary" not in caught.value.message
