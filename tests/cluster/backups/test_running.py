"""A backup of an instance that runs: its candles by the actor that owns them, while others write."""

from __future__ import annotations

import asyncio
import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import ray

from actors.candle_store import candle_store
from candleray.databases.postgres import Postgres
from candleray.settings import ServiceSettings, Settings
from cluster.instance.instance_file import Instance
from cluster.machine.data_folder import DataFolder
from cluster.machine.processes import start_ticks
from tests.support.backups.small_instance import candleray
from tests.support.candle_store.rows import candle_rows
from tests.support.instances.ray_workers import ray_workers

pytestmark = pytest.mark.cluster


async def migrate(url: str) -> None:
    await (await Postgres.open(url, 1)).close()


def running(folder: DataFolder) -> Instance:
    """An instance as its file tells it, in the place of whose supervisor stands this process."""
    return Instance(
        pid=os.getpid(),
        start_ticks=start_ticks(os.getpid()) or 0,
        boot="",
        state="ready",
        data_dir=folder.path,
        started_at=datetime.now(UTC),
        api_url="http://127.0.0.1:1",
        api_port=1,
        ray_address=ray.get_runtime_context().gcs_address,
    )


def test_what_was_there_when_it_began_is_in_it_whatever_is_written_meanwhile(tmp_path: Path, postgres_url: str):
    asyncio.run(migrate(postgres_url))
    folder = DataFolder(tmp_path / "data")
    folder.prepare()
    folder.begin_candles()
    with ray_workers(1), folder.locked(), ThreadPoolExecutor(1) as other:
        _ = folder.place
        store = candle_store(Settings(services=ServiceSettings(clickhouse_url=f"chdb://{folder.clickhouse}")))
        ray.get(store.insert.remote(1, "BTCUSDT", candle_rows(range(5000)), "rest"))
        running(folder).write(folder)
        command = ("backup", "create", tmp_path / "backups", "--data", folder, "--json")
        variables = {"CANDLERAY_SERVICES__POSTGRES_URL": postgres_url, "RAY_AUTH_MODE": "disabled"}
        made = other.submit(candleray, *command, **variables)
        inserted = 0
        while not made.done():
            ray.get(store.insert.remote(3, "ETHUSDT", candle_rows([inserted]), "websocket"))
            inserted += 1
        done = made.result()
    folder.forget_run_dirs()
    assert done.returncode == 0, done.stderr
    backup = json.loads(done.stdout)
    assert 5000 <= backup["rows"] <= 5000 + inserted
    assert candleray("backup", "verify", tmp_path / "backups").returncode == 0
    assert json.loads((folder.path / "last_backup.json").read_text())["backup"] == backup["backup"]
