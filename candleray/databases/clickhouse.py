"""A connection to ClickHouse, embedded or on a server, that runs the statements of `clickhouse.sql`.

`chdb:///absolute/path` opens the engine in this process. One process at a time may have a path open, and a process
one path. `http(s)://user:password@host:8123/database` connects to a server. The SQL is the same.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from urllib3.exceptions import HTTPError

from candleray.databases.statements import migrations, named_statements, pending
from candleray.databases.urls import split_url, without_credentials
from candleray.errors import CandlerayError, InstanceError, ServiceUnavailable, first_line, invalid
from candleray.network.forks import require_own
from candleray.network.own_addresses import ask_directly, is_own

EMBEDDED_MEMORY_BYTES = 2_000_000_000
"""Memory of the embedded engine, unless `?max_server_memory_usage=` of the URL sets another."""

_DAMAGE = re.compile(
    "CHECKSUM_DOESNT_MATCH|CANNOT_READ_ALL_DATA|CANNOT_DECOMPRESS|CORRUPTED_DATA|FILE_DOESNT_EXIST|NO_FILE_IN_DATA_PART"
    "|UNEXPECTED_END_OF_FILE|ATTEMPT_TO_READ_AFTER_EOF|UNKNOWN_CODEC|TOO_LARGE_SIZE_COMPRESSED"
    "|BAD_SIZE_OF_FILE_IN_DATA_PART|INCORRECT_DATA|SIZES_OF_MARKS_FILES_ARE_INCONSISTENT"
    "|CANNOT_PARSE_INPUT_ASSERTION_FAILED"
)
"""Names of the engine's errors that a damaged file may cause."""

_BROKEN = re.compile(r"^(\S+)\t0\t(.*)$", re.MULTILINE)
"""A line of a check: the part, whether it is good, and what is wrong with it."""


class ClickHouse:
    def __init__(self, client: Client, address: str) -> None:
        self._client = client
        self._statements = named_statements("clickhouse")
        self.address = address
        self.is_damaged = False
        """An answer failed as it fails on a damaged file; unset by who has looked after it."""
        self._pid = os.getpid()

    @classmethod
    def open(cls, url: str) -> ClickHouse:
        """Connect.

        Raises:
            InvalidInput: the URL is none of ClickHouse.
            InstanceError: the folder has gone, another process owns it, or this one has another path open.
            ServiceUnavailable: nothing answers there, or not as ClickHouse.
        """
        parts = split_url(url, "clickhouse_url", ("chdb", "http", "https"))
        session = cls(_embedded(parts) if parts.scheme == "chdb" else _remote(parts), without_credentials(parts))
        database = unquote(parts.path.strip("/"))
        if parts.scheme != "chdb" and database:
            session._use(database)
        return session

    def close(self) -> None:
        self._client.close()

    def table(self, statement: str, **parameters: Any) -> pa.Table:
        """Run a statement; its rows as Arrow."""
        with self._translated(statement):
            return self._client.query_arrow(self._statements[statement], parameters=parameters)

    def rows(self, statement: str, **parameters: Any) -> list[dict[str, Any]]:
        """Run a statement; its few rows as dictionaries."""
        rows: list[dict[str, Any]] = self.table(statement, **parameters).to_pylist()
        return rows

    def run(self, statement: str, **parameters: Any) -> None:
        """Run a statement that has no rows."""
        with self._translated(statement):
            self._client.command(self._statements[statement], parameters=parameters)

    def insert(self, table: str, rows: pa.Table) -> None:
        with self._translated(f"insert into {table}"):
            self._client.insert_arrow(table, rows)

    def broken_parts(self, table: str) -> dict[str, str]:
        """The parts of a table that do not agree with their checksums, by name, with the reason."""
        with self._translated(f"check of {table}"):
            told = self._client.command(self._statements["check_table"], parameters={"table": table})
        text = "\t".join(map(str, told)) if isinstance(told, Sequence) and not isinstance(told, str) else str(told)
        return {part: reason for part, reason in _BROKEN.findall(text)}

    def migrate(self) -> None:
        """Apply the migrations that this database lacks; may be repeated after a kill in the middle of one."""
        self.run("create_migrations")
        applied = {row["number"]: row["checksum"] for row in self.rows("applied_migrations")}
        for migration in pending(migrations("clickhouse"), applied):
            for statement in migration.statements:
                with self._translated(f"migration {migration.number}"):
                    self._client.command(statement)
            self.run("record_migration", number=migration.number, name=migration.name, checksum=migration.checksum)

    def _use(self, database: str) -> None:
        if not self.rows("count_databases", database=database)[0]["found"]:
            self.run("create_database", database=database)
        self._client.database = database

    @contextmanager
    def _translated(self, task: str) -> Iterator[None]:
        """Raise the driver's errors as ours; what it reads are bytes of a server, and libraries of its own do."""
        require_own(self._pid, f"the connection to ClickHouse at {self.address}")
        try:
            yield
        except (ClickHouseError, pa.ArrowException, HTTPError, OSError, EOFError) as exc:
            self.is_damaged |= _DAMAGE.search(str(exc)) is not None
            raise ServiceUnavailable(f"ClickHouse at {self.address}, {task}: {first_line(exc)}") from exc


def _embedded(parts: SplitResult) -> Client:
    path = unquote(parts.path)
    if parts.netloc or path in ("", "/"):
        raise invalid("clickhouse_url", "bad_url", "clickhouse_url needs three slashes: chdb:///absolute/path")
    if not Path(path).is_dir():  # the engine would begin an empty one
        raise InstanceError(
            f"there is no folder {path} for the candle store: put it back where it was, or make it"
        )
    options: dict[str, Any] = {"max_server_memory_usage": EMBEDDED_MEMORY_BYTES, **dict(parse_qsl(parts.query))}
    try:
        return clickhouse_connect.get_client(interface="chdb", path=path, chdb_options=options)
    except ClickHouseError as exc:
        raise _opening_error(path, str(exc)) from exc


def _opening_error(path: str, text: str) -> CandlerayError:
    if other := re.search(r"already initialized with path '([^']*)'", text):
        return InstanceError(f"this process has {other[1]} open and cannot open {path} beside it")
    if cause := re.search(r"e\.what\(\) = ([^,]*)", text):
        return InstanceError(f"cannot open {path}: {cause[1]}")
    # The engine says no more than "Error initializing EmbeddedServer" when another process holds the lock.
    if "Error initializing EmbeddedServer" in text and Path(path).exists():
        return InstanceError(f"another process owns {path}")
    return ServiceUnavailable(f"cannot open {path}: {text.splitlines()[0][:300]}")


def _remote(parts: SplitResult) -> Client:
    # async_insert would acknowledge rows before they are in a table.
    settings = {"async_insert": 0, **dict(parse_qsl(parts.query))}
    if is_own(parts.hostname or "localhost"):
        ask_directly(parts.hostname or "localhost")  # its driver takes the environment's proxy
    try:
        return clickhouse_connect.get_client(
            interface=parts.scheme,
            host=parts.hostname or "localhost",
            port=parts.port or (8443 if parts.scheme == "https" else 8123),
            username=unquote(parts.username or "") or None,
            password=unquote(parts.password or ""),
            settings=settings,
            autogenerate_session_id=False,
        )
    except (ClickHouseError, HTTPError, OSError, ValueError) as exc:
        raise ServiceUnavailable(
            f"ClickHouse at {without_credentials(parts)} does not answer: {first_line(exc)}"
        ) from exc
