"""`candleray up`, `down` and `status` with a real Ray.

A small application stands in for the API, so that starts are quick; everything else is the real thing.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from candleray.settings import ROOT, Settings
from cluster.instance.instance_file import Instance, read_instance
from cluster.instance.ray_driver import actors
from cluster.machine.data_folder import DataFolder
from cluster.machine.leftovers import left_by
from cluster.machine.processes import answers_of, process_of, tree_of
from cluster.services.embedded_postgres import EmbeddedPostgres
from cluster.services.embedded_valkey import EmbeddedValkey
from tests.support.instances.ports import free_port
from tests.support.waiting import PATIENCE_S, wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(900)]

TINY = "tests.support.api.tiny_app:build"


def candleray(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "candleray", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)


def up(folder: DataFolder, port: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    return candleray("up", "--data", str(folder), "--port", str(port), "--app", TINY, *arguments)


def get(instance: Instance, path: str) -> dict[str, Any]:
    return dict(httpx.get(f"{instance.api_url}/{path}", trust_env=False, timeout=60).raise_for_status().json())


def known(folder: DataFolder) -> Instance:
    instance = read_instance(folder)
    assert instance is not None
    return instance


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="candleray-test-", dir="/tmp"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def folders(place: Path) -> Iterator[tuple[DataFolder, DataFolder]]:
    made = DataFolder(place / "first"), DataFolder(place / "second")
    yield made
    for folder in made:
        if folder.instance_file.exists() or EmbeddedPostgres(folder).find():
            candleray("down", "--data", str(folder))


@pytest.fixture(scope="module")
def first(folders: tuple[DataFolder, DataFolder]) -> Instance:
    """Two starts at the same moment: one starts it, the other one attaches."""
    folder, port = folders[0], free_port()
    with ThreadPoolExecutor() as commands:
        both = [commands.submit(up, folder, port, "--detach") for _ in range(2)]
    for started in (one.result() for one in both):
        assert started.returncode == 0, started.stderr
        instance = known(folder)
        assert f"API        {instance.api_url}" in started.stdout
        assert f"process {instance.pid}, data in {folder}" in started.stdout
    return instance


def test_settings_and_services_reach_the_replicas(first: Instance) -> None:
    folder = DataFolder(first.data_dir)
    assert get(first, "settings") == {
        "data_dir": str(folder),
        "port": first.api_port,
        "clickhouse_url": f"chdb://{folder.clickhouse}",
        "postgres_url": EmbeddedPostgres(folder).url,
        "redis_url": EmbeddedValkey(folder).url,
    }
    assert get(first, "process") == {
        "kernels": str(ROOT / "kernels" / "__init__.py"),
        "numba_threads": "1",
        "writes_bytecode": True,
        "auth_mode": "token",
    }


def test_starting_again_attaches(first: Instance) -> None:
    again = up(DataFolder(first.data_dir), first.api_port, "--detach")
    assert again.returncode == 0
    assert f"is already running: process {first.pid}" in again.stdout
    other = up(DataFolder(first.data_dir), free_port(), "--detach")
    assert other.returncode == 1
    assert f"process {first.pid}) runs on port {first.api_port}, not" in other.stderr


def test_status_shows_every_part(first: Instance) -> None:
    shown = candleray("status", "--data", str(first.data_dir))
    assert shown.returncode == 0
    told = json.loads(candleray("status", "--data", str(first.data_dir), "--json").stdout)
    assert told["ready"] is True
    parts = {part["name"]: part for part in told["parts"]}
    assert parts["instance"]["pid"] == first.pid
    assert parts["ray"]["address"] == first.ray_address
    for name in ("instance", "ray", "postgres", "valkey"):
        assert parts[name]["pss_bytes"] > 1_000_000
        assert f" {name} " in shown.stdout


def test_a_port_in_use_is_refused_before_anything_starts(first: Instance, place: Path) -> None:
    folder = DataFolder(place / "third")
    refused = up(folder, first.api_port, "--detach")
    assert refused.returncode == 1
    assert f"port {first.api_port} is in use by process" in refused.stderr
    assert "haproxy" in refused.stderr
    assert not (folder.path / "postgres").exists()
    assert candleray("status", "--data", str(folder)).returncode == 1
    assert candleray("down", "--data", str(folder)).returncode == 0


def test_a_service_that_ended_is_started_again(first: Instance) -> None:
    folder = DataFolder(first.data_dir)
    for service in (EmbeddedPostgres(folder), EmbeddedValkey(folder)):
        ended = service.find()
        assert ended is not None
        ended.kill()
        wait_until(service.find, lambda found, ended=ended: found not in (None, ended), what=service.name)
        wait_until(service.answers, what=service.name)


def test_ray_serves_those_with_the_token_alone(first: Instance) -> None:
    jobs = f"{first.dashboard_url}/api/jobs/"
    assert httpx.get(jobs, trust_env=False, timeout=60).status_code == 401
    assert first.ray_token is not None
    ours = {"Authorization": f"Bearer {first.ray_token.read_text()}"}
    assert httpx.get(jobs, headers=ours, trust_env=False, timeout=60).status_code == 200


def test_two_instances_a_kill_and_a_recovery(first: Instance, folders: tuple[DataFolder, DataFolder]) -> None:
    folder, port = folders[1], free_port()
    began = time.monotonic()
    assert up(folder, port, "--detach").returncode == 0
    print(f"second instance up in {time.monotonic() - began:.1f} s")
    second = known(folder)
    for instance in (first, second):
        assert get(instance, "settings")["data_dir"] == str(instance.data_dir)
        assert runs_jobs(instance)
    assert not listening(first.pid) & listening(second.pid)

    os.kill(second.pid, signal.SIGKILL)
    wait_until(lambda: left_by(second.boot, str(folder.ray_dir(second.boot))), lambda left: left == [])
    assert candleray("status", "--data", str(folder)).returncode == 1
    services = EmbeddedPostgres(folder).find(), EmbeddedValkey(folder).find()
    assert all(services)
    assert get(first, "ready") == {"ready": True, "services": {}}

    command = [sys.executable, "-m", "candleray", "up", "--data", str(folder), "--port", str(port), "--app", TINY]
    environment = {**os.environ, "CANDLERAY_COMPUTE__DASHBOARD": "false"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as foreground:
        third = wait_until(
            lambda: read_instance(folder),
            lambda seen: seen and (seen.pid, seen.state) == (foreground.pid, "ready"),
        )
        assert third
        assert third.dashboard_url is None
        assert (EmbeddedPostgres(folder).find(), EmbeddedValkey(folder).find()) == services
        foreground.send_signal(signal.SIGINT)
        shown = foreground.communicate(timeout=PATIENCE_S)[0]
    assert foreground.returncode == 0
    assert shown.count("attached") == 2
    in_order = [line.split()[0] for line in shown.splitlines() if line.endswith("stopped")]
    in_cluster = [name.split()[0] for name in reversed(actors(Settings()))]
    assert in_order == ["api", *in_cluster, "candle", "ray", "valkey", "postgres", "data"]
    assert not left_by(third.boot, str(folder.ray_dir(third.boot)))
    assert (EmbeddedPostgres(folder).find(), EmbeddedValkey(folder).find()) == (None, None)
    assert not folder.run_dir.exists()
    assert (folder.logs / "ray" / "raylet.out").is_file()


def test_down_stops_the_instance_and_has_nothing_to_do_then(first: Instance) -> None:
    stopped = candleray("down", "--data", str(first.data_dir))
    assert stopped.returncode == 0
    assert f"process {first.pid}" in stopped.stdout
    assert not first.lives()
    again = candleray("down", "--data", str(first.data_dir))
    assert again.returncode == 0
    assert again.stdout == f"no instance runs in {first.data_dir}\n"


def runs_jobs(instance: Instance) -> bool:
    """A job needs the agent of its own node, whose port every Ray takes to be 52365."""
    assert instance.ray_token is not None
    with httpx.Client(
        base_url=f"{instance.dashboard_url}/api/jobs/",
        headers={"Authorization": f"Bearer {instance.ray_token.read_text()}"},
        trust_env=False,
        timeout=60,
    ) as jobs:
        job = jobs.post("", json={"entrypoint": "true"}).raise_for_status().json()["submission_id"]
        ended = wait_until(lambda: jobs.get(job).json(), lambda seen: seen["status"] in ("SUCCEEDED", "FAILED"))
        return bool(ended["status"] == "SUCCEEDED")


def listening(pid: int) -> set[int]:
    asked = answers_of(tree_of(process_of(pid)), lambda process: process.net_connections("tcp"))
    sockets = [connection for _, connections in asked for connection in connections]
    return {connection.laddr.port for connection in sockets if connection.status == psutil.CONN_LISTEN}
