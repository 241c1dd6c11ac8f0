"""A backup of an instance that runs: its candles by the actor that owns them, while others write."""

from __future__ import annotations

import asyncio
import json
import secrets
from pathlib import Path

import pytest

from candleray.databases.postgres import Postgres
from candleray.private_files import write_private
from cluster.machine.data_folder import DataFolder
from tests.support.backups.small_instance import candleray
from tests.support.instances.processes import running_script

pytestmark = pytest.mark.cluster

INSTANCE = """
import os, select, sys, tempfile
from datetime import UTC, datetime
from pathlib import Path

os.environ |= {
    "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": f"{sys.argv[1]}/ray_token", "RAY_USAGE_STATS_ENABLED": "0"
}
import ray
from actors.candle_store import candle_store
from candleray.settings import ServiceSettings, Settings
from cluster.instance.instance_file import Instance
from cluster.machine.data_folder import DataFolder
from cluster.machine.processes import start_ticks
from tests.support.candle_store.rows import candle_rows

folder = DataFolder(Path(sys.argv[1]))
with folder.locked(), tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as temp:
    folder.begin_candles()
    ray.init(address="local", num_cpus=1, object_store_memory=200_000_000, include_dashboard=False,
             log_to_driver=False, _temp_dir=temp)
    store = candle_store(Settings(services=ServiceSettings(clickhouse_url=f"chdb://{folder.clickhouse}")))
    ray.get(store.insert.remote(1, "BTCUSDT", candle_rows(range(5000)), "rest"))
    _ = folder.place
    Instance(
        pid=os.getpid(), start_ticks=start_ticks(os.getpid()) or 0, boot="", state="ready", data_dir=folder.path,
        started_at=datetime.now(UTC), api_url="http://127.0.0.1:1", api_port=1,
        ray_address=ray.get_runtime_context().gcs_address, ray_token=folder.ray_token,
    ).write(folder)
    print("ready", flush=True)
    inserted = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        ray.get(store.insert.remote(3, "ETHUSDT", candle_rows([inserted]), "websocket"))
        inserted += 1
    print(inserted, flush=True)
    ray.shutdown()
"""
"""An instance without its supervisor: Ray that asks for the folder's token, and a store that is written to."""


async def migrate(url: str) -> None:
    await (await Postgres.open(url, 1)).close()


def test_what_was_there_when_it_began_is_in_it_whatever_is_written_meanwhile(tmp_path: Path, postgres_url: str):
    asyncio.run(migrate(postgres_url))
    folder = DataFolder(tmp_path / "data")
    folder.prepare()
    write_private(folder.ray_token, secrets.token_hex(32))
    command = ("backup", "create", tmp_path / "backups", "--data", folder, "--json")
    with running_script(INSTANCE, folder.path, stdin=-1) as (instance, _):
        done = candleray(*command, CANDLERAY_SERVICES__POSTGRES_URL=postgres_url)
        assert instance.stdin
        assert instance.stdout
        instance.stdin.write("end\n")
        instance.stdin.flush()
        inserted = int(instance.stdout.readline())
    folder.forget_run_dirs()
    assert done.returncode == 0, done.stderr
    backup = json.loads(done.stdout)
    assert 5000 <= backup["rows"] <= 5000 + inserted
    assert candleray("backup", "verify", tmp_path / "backups").returncode == 0
    assert json.loads((folder.path / "last_backup.json").read_text())["backup"] == backup["backup"]
