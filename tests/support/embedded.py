"""The embedded services of a test process.

Postgres and Valkey are started by the first test that asks and stopped at the process's end.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from uuid import uuid4

import asyncpg

from candleray.market_data.candle_store import CandleStore
from cluster.machine.data_folder import DataFolder
from cluster.services.embedded_postgres import EmbeddedPostgres
from cluster.services.embedded_service import EmbeddedService
from cluster.services.embedded_valkey import EmbeddedValkey

_running = ExitStack()


@cache
def postgres_url() -> str:
    return _started(EmbeddedPostgres)


async def new_database(url: str) -> str:
    """The address of an empty database on the same server, for a process that sees all that stands in one."""
    name = f"alone_{uuid4().hex}"
    connection = await asyncpg.connect(url)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return url.replace("/candleray?", f"/{name}?")


@cache
def valkey_url() -> str:
    return _started(EmbeddedValkey)


def started_urls() -> tuple[str | None, str | None]:
    """Processes of Postgres and of Valkey, as far as a test asked for them."""
    postgres, valkey = postgres_url.cache_info().currsize, valkey_url.cache_info().currsize
    return (postgres_url() if postgres else None), (valkey_url() if valkey else None)


def stop_services() -> None:
    _running.close()


def forget_candles(store: CandleStore) -> None:
    """Empty the tables of candles and instruments."""
    raw_tables = {market.raw_table for market in store.markets()}
    for table in [
        "ref_instruments",
        "ref_instrument_changes",
        "ref_listings",
        "canonical_candles_1m",
        *sorted(raw_tables),
    ]:
        store._session._client.command(f"TRUNCATE TABLE {table}")


@contextmanager
def service_folder() -> Iterator[DataFolder]:
    """A data folder for embedded services, which goes with the block."""
    # Not below pytest's own folder: as root, the account that Postgres runs under could not enter that.
    folder = DataFolder(Path(tempfile.mkdtemp(prefix="candleray-test-", dir="/tmp")))
    try:
        folder.path.chmod(0o711)
        folder.prepare()
        yield folder
    finally:
        folder.forget_run_dirs()
        shutil.rmtree(folder.path, ignore_errors=True)


def _started(service_class: type[EmbeddedService]) -> str:
    folder = _running.enter_context(service_folder())
    service = service_class(folder)
    _running.callback(service.stop)
    service.start()
    return service.url
