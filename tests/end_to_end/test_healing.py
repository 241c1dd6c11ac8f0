"""What dies is started again (S4): `kill -9` of each part of one real instance, and of several at once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from candleray import Client, ServiceUnavailable
from candleray.market_data.coverage import Coverage
from candleray.markets import find_market
from candleray.simulator.generated import GeneratedCandles
from candleray.timeframes import MINUTE_MS
from cluster.instance.data_folder import DataFolder
from cluster.instance.embedded_postgres import Postgres
from cluster.instance.embedded_valkey import Valkey
from cluster.instance.instance_file import Instance, Restarts, read_instance
from cluster.instance.leftovers import left_by
from tests.support.canaries import search_instance

pytestmark = [
    pytest.mark.faults,
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.timeout(600),
]

START_MS = 1_746_057_600_000
ROWS = 1440
PATIENCE_S = 180.0
"""A busy machine is slow, not wrong."""


class Patient:
    """An instance of its own, on whose parts the tests lay hands."""

    def __init__(self, folder: DataFolder, port: int) -> None:
        self.folder = folder
        self.port = port

    def candleray(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "CANDLERAY_ENVIRONMENT": "test", "CANDLERAY_COMPUTE__DASHBOARD": "true"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [sys.executable, "-m", "candleray", *arguments, "--data", str(self.folder)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)

    @property
    def file(self) -> Instance:
        instance = read_instance(self.folder)
        assert instance is not None
        return instance

    def restarts(self, part: str) -> int:
        restarts: Restarts | None = self.file.restarts.get(part)
        return restarts.count if restarts else 0

    def processes(self, words: str) -> list[psutil.Process]:
        """Those of the instance whose command line holds these words."""
        found = []
        for process in psutil.Process(self.file.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if words in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def kill(self, words: str) -> list[psutil.Process]:
        killed = self.processes(words)
        assert killed, f"there is no {words}"
        for process in killed:
            process.kill()
        return killed

    def is_whole(self) -> bool:
        return self.file.state == "ready" and self.answers("/ready")

    def answers(self, path: str) -> bool:
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.file.api_url}{path}", trust_env=False, timeout=5).is_success
        return False

    def coverage(self) -> list[Coverage]:
        with Client(self.file.api_url, timeout_s=60) as client:
            return client.coverage()


def wait_until(condition: Callable[[], bool], what: str) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < PATIENCE_S, f"not within {PATIENCE_S:g} s: {what}"
        time.sleep(0.1)
    return time.monotonic() - began


@pytest.fixture(scope="module")
def patient() -> Iterator[Patient]:
    place = Path(tempfile.mkdtemp(prefix="candleray-healing-", dir="/tmp"))
    place.chmod(0o711)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    patient = Patient(DataFolder(place / "data"), port)
    try:
        started = patient.candleray("up", "--detach", "--port", str(port))
        assert started.returncode == 0, started.stdout + started.stderr
        login = patient.candleray("login")
        assert login.returncode == 0, login.stdout + login.stderr
        yield patient
    finally:
        patient.candleray("down")
        search_instance(place)
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="module")
def stored(patient: Patient) -> list[Coverage]:
    rows = GeneratedCandles(seed=7).candles(
        find_market("binance-spot"), "BTCUSDT", START_MS, START_MS + ROWS * MINUTE_MS
    )
    with Client(patient.file.api_url) as client:
        assert client.put_candles("binance-spot", "BTCUSDT", rows).written == ROWS
    return patient.coverage()


@pytest.mark.parametrize("vital", ["gcs/gcs_server", "raylet/raylet"])
def test_a_lost_ray_is_started_again_with_the_same_data_on_the_same_port(
    patient: Patient, stored: list[Coverage], vital: str
) -> None:
    before, count = patient.file, patient.restarts("ray")
    killed = patient.kill(vital)
    took_s = wait_until(lambda: patient.restarts("ray") > count and patient.is_whole(), "Ray again")
    print(f"{vital}: whole again after {took_s:.1f} s")
    after = patient.file
    assert patient.coverage() == stored
    assert (after.pid, after.api_url) == (before.pid, before.api_url)
    assert after.boot != before.boot
    assert after.ray_address != before.ray_address
    assert not left_by(before.boot, str(patient.folder.ray_dir(before.boot)))
    assert f"{Path(vital).name} (process {killed[0].pid}) has ended" == after.restarts["ray"].reason
    assert (patient.folder.logs / "ray-former" / "gcs_server.out").exists()
    assert restarts_shown(patient)["ray"] == count + 1


def test_a_lost_dashboard_is_started_again_and_nothing_else_is(patient: Patient, stored: list[Coverage]) -> None:
    boot = patient.file.boot
    patient.kill("dashboard/dashboard.py")
    wait_until(lambda: patient.restarts("dashboard") == 1 and takes_jobs(patient), "the dashboard")
    assert patient.file.boot == boot
    assert patient.coverage() == stored


@pytest.mark.parametrize(
    "part", ["haproxy -db", "ray::HAProxyManager", "ray::ServeController", "ray::ServeReplica"]
)
def test_what_serve_loses_serve_starts_again(patient: Patient, stored: list[Coverage], part: str) -> None:
    boot = patient.file.boot
    killed = {process.pid for process in patient.kill(part)}

    def is_replaced() -> bool:
        return any(process.pid not in killed for process in patient.processes(part)) and patient.is_whole()

    took_s = wait_until(is_replaced, part)
    print(f"{part}: replaced and answering after {took_s:.1f} s")
    assert patient.coverage() == stored
    assert patient.file.boot == boot


def test_an_application_that_is_gone_is_deployed_again(patient: Patient, stored: list[Coverage]) -> None:
    """Whoever has the token can delete it."""
    boot, count = patient.file.boot, patient.restarts("api")
    asked = httpx.delete(
        f"{patient.file.dashboard_url}/api/serve/applications/",
        headers=token(patient),
        trust_env=False,
        timeout=60,
    )
    assert asked.is_success, asked.text
    with Client(patient.file.api_url) as client, pytest.raises(ServiceUnavailable):
        client.coverage()
    wait_until(lambda: patient.restarts("api") > count and patient.is_whole(), "the API again")
    assert patient.file.boot == boot
    assert patient.coverage() == stored


def test_everything_at_once_and_a_port_taken_meanwhile_only_takes_longer(
    patient: Patient, stored: list[Coverage]
) -> None:
    count = patient.restarts("ray")
    services = [kind(patient.folder).find() for kind in (Postgres, Valkey)]
    supervisor = psutil.Process(patient.file.pid)
    supervisor.suspend()
    for process in supervisor.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        wait_until(lambda: binds(squatter, patient.port), "the port is free")
        squatter.listen()
        supervisor.resume()
        wait_until(lambda: patient.restarts("ray") >= count + 2, "a second attempt")
        assert f"port {patient.port} is in use by process {os.getpid()}" in patient.file.restarts["ray"].reason
        assert not patient.is_whole()
    took_s = wait_until(patient.is_whole, "all of it again")
    print(f"everything: whole again after {took_s:.1f} s")
    assert patient.coverage() == stored
    assert patient.restarts("postgres") == patient.restarts("valkey") == 1
    for kind, former in zip((Postgres, Valkey), services, strict=True):
        assert kind(patient.folder).find() not in (None, former)


def test_a_signal_in_the_middle_of_a_restart_stops_it_in_order(patient: Patient, stored: list[Coverage]) -> None:
    before = patient.file
    patient.kill("gcs/gcs_server")
    wait_until(lambda: patient.file.boot != before.boot and bool(patient.processes("raylet/raylet")), "a restart")
    restarting = patient.file
    assert restarting.state == "restarting"
    supervisor = psutil.Process(restarting.pid)
    supervisor.send_signal(signal.SIGTERM)
    wait_until(lambda: read_instance(patient.folder) is None, "it has stopped")
    for boot in (before.boot, restarting.boot):
        assert not left_by(boot, str(patient.folder.ray_dir(boot)))
    assert [kind(patient.folder).find() for kind in (Postgres, Valkey)] == [None, None]
    assert patient.candleray("status").returncode == 1


def restarts_shown(patient: Patient) -> dict[str, int]:
    told = json.loads(patient.candleray("status", "--json").stdout)
    return {part["name"]: part["restarts"]["count"] for part in told["parts"] if part["restarts"]}


def token(patient: Patient) -> dict[str, str]:
    path = patient.file.ray_token
    assert path is not None
    return {"Authorization": f"Bearer {path.read_text()}"}


def takes_jobs(patient: Patient) -> bool:
    jobs = f"{patient.file.dashboard_url}/api/jobs/"
    with suppress(httpx.HTTPError):
        return httpx.get(jobs, headers=token(patient), trust_env=False, timeout=10).is_success
    return False


def binds(listener: socket.socket, port: int) -> bool:
    with suppress(OSError):
        listener.bind(("127.0.0.1", port))
        return True
    return False
