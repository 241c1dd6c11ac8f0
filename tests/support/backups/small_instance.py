"""A small instance without Ray: real databases in a data folder, filled and read by processes of their own.

The embedded candle store opens one path a process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from candleray.settings import ROOT

SCRIPT = """
import asyncio, json, sys
from pathlib import Path
import asyncpg
from candleray.databases.postgres import Postgres
from candleray.identity.local_secrets import key_ring
from candleray.identity.user_store import Users
from candleray.identity.vault import Secret
from candleray.settings import Settings
from cluster.backups.sources import started_postgres, stored_candles
from cluster.machine.data_folder import DataFolder
from tests.support.candle_store.rows import candle_rows

folder = DataFolder(Path(sys.argv[1]))
users, minutes, version, secret = *map(int, sys.argv[2:5]), sys.argv[5]
settings = Settings(data_dir=folder.path)

async def fill(url):
    postgres = await Postgres.open(url, 1)
    for number in range(users):
        user = await Users(postgres).known(1000 + number)
        if secret:
            sealed = key_ring(settings).seal(Secret(secret), "an", "owner").model_dump()
            async with postgres.connection() as connection:
                await connection.execute(
                    "INSERT INTO exchange_keys (key_id, user_id, exchange, label, last_four, sealed)"
                    " VALUES (gen_random_uuid(), $1, 'binance', 'one', '1234', $2)", user.user_id, sealed)
    await postgres.close()

async def read(url):
    connection = await asyncpg.connect(url)
    tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    found = {}
    for (name,) in tables:
        found[name] = sorted(row[0] for row in await connection.fetch(f'SELECT t::text FROM "{name}" t'))
    await connection.close()
    return found

folder.prepare()
with folder.locked():
    folder.require_parts()
    folder.make_run_dir()
    with started_postgres(settings, folder) as postgres:
        if users:
            asyncio.run(fill(postgres.url))
        found = {"postgres": asyncio.run(read(postgres.url))}
    folder.begin_candles()
    with stored_candles(settings, folder) as store:
        if minutes:
            store.migrate()
            for market_id, symbol in ((1, "BTCUSDT"), (4, "ETHUSDT")):
                store.insert(market_id, symbol, candle_rows(range(minutes), close=10 + version / 10), "rest")
        candles = {}
        for table in ("raw_binance_klines_1m", "raw_bybit_klines_1m", "canonical_candles_1m FINAL"):
            told = store._session._client.query_arrow(f"SELECT * FROM {table} ORDER BY ALL")
            candles[table] = [[str(value) for value in row.values()] for row in told.to_pylist()]
    found["candles"] = candles
folder.forget_run_dirs()
print(json.dumps(found))
"""


def fill(
    folder: Path, *, users: int = 3, minutes: int = 100, version: int = 1, secret: str = ""
) -> dict[str, Any]:
    """Add users and candles, and tell what is there then.

    Args:
        version: another one gives every candle another value.
        secret: an exchange key of each user holds it.
    """
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, (folder, users, minutes, version, secret))],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def content(folder: Path) -> dict[str, Any]:
    """Tell everything that both databases hold, as text."""
    return fill(folder, users=0, minutes=0)


def candleray(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own, with these variables besides ours."""
    command = [sys.executable, "-m", "candleray", *map(str, arguments)]
    environment = {**os.environ, **variables}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
