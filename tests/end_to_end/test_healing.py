"""Dead parts are started again: `kill -9` of each part of one real instance, and of several at once."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from candleray import Client, ServiceUnavailable
from candleray.market_data.coverage import Coverage
from cluster.instance.instance_file import read_instance
from cluster.machine.leftovers import left_by
from cluster.machine.processes import tree_of
from cluster.services.embedded_postgres import EmbeddedPostgres
from cluster.services.embedded_valkey import EmbeddedValkey
from tests.support.instances.patient import DAY_MINUTES, Patient, timed
from tests.support.instances.processes import suspend
from tests.support.instances.real_instance import kill, real_instance
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.faults,
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
]


@pytest.fixture(scope="module")
def patient() -> Iterator[Patient]:
    with real_instance("healing", CANDLERAY_COMPUTE__DASHBOARD="true") as instance:
        yield Patient(instance.folder, instance.port, instance.environment)


@pytest.fixture(scope="module")
def stored(patient: Patient) -> list[Coverage]:
    assert patient.put(0).written == DAY_MINUTES
    return patient.coverage()


@pytest.mark.parametrize("vital", ["gcs/gcs_server", "raylet/raylet"])
def test_a_lost_ray_is_started_again_with_the_same_data_on_the_same_port(
    patient: Patient, stored: list[Coverage], vital: str
) -> None:
    before, count = patient.file, patient.restarts("ray")
    killed = patient.kill(vital)
    with timed(f"{vital}: whole again"):
        patient.wait_restarted("ray", count + 1)
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
    boot, count = patient.file.boot, patient.restarts("dashboard")
    patient.kill("dashboard/dashboard.py")
    wait_until(lambda: patient.restarts("dashboard"), lambda seen: seen > count)
    wait_until(lambda: takes_jobs(patient))
    assert patient.file.boot == boot
    assert patient.coverage() == stored


@pytest.mark.parametrize(
    "part", ["haproxy -db", "ray::HAProxyManager", "ray::ServeController", "ray::ServeReplica"]
)
def test_what_serve_loses_serve_starts_again(patient: Patient, stored: list[Coverage], part: str) -> None:
    boot = patient.file.boot
    killed = patient.kill(part)
    with timed(f"{part}: replaced and answering"):
        wait_until(lambda: patient.processes(part), lambda seen: set(seen) - set(killed), what=part)
        patient.wait_whole()
    assert patient.coverage() == stored
    assert patient.file.boot == boot


def test_an_application_that_is_gone_is_deployed_again(patient: Patient, stored: list[Coverage]) -> None:
    """Delete it with the token, as whoever has that can."""
    boot, count = patient.file.boot, patient.restarts("api")
    with patient.ray_dashboard() as dashboard:
        dashboard.delete("/api/serve/applications/").raise_for_status()
    with Client(patient.file.api_url) as client, pytest.raises(ServiceUnavailable):
        client.coverage()
    patient.wait_restarted("api", count + 1)
    assert patient.file.boot == boot
    assert patient.coverage() == stored


def test_everything_at_once_and_a_port_taken_meanwhile_only_takes_longer(
    patient: Patient, stored: list[Coverage]
) -> None:
    count = patient.restarts("ray")
    services = [kind(patient.folder).find() for kind in (EmbeddedPostgres, EmbeddedValkey)]
    supervisor = psutil.Process(patient.file.pid)
    suspend(supervisor)
    kill(tree_of(supervisor)[1:])
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        wait_until(lambda: binds(squatter, patient.port), what="the port is free")
        squatter.listen()
        supervisor.resume()
        wait_until(lambda: patient.restarts("ray"), lambda seen: seen >= count + 2)
        assert f"port {patient.port} is in use by process {os.getpid()}" in patient.file.restarts["ray"].reason
        assert not patient.is_whole()
    with timed("everything: whole again"):
        patient.wait_whole()
    assert patient.coverage() == stored
    assert patient.restarts("postgres") == patient.restarts("valkey") == 1
    for kind, former in zip((EmbeddedPostgres, EmbeddedValkey), services, strict=True):
        assert kind(patient.folder).find() not in (None, former)


def test_a_signal_in_the_middle_of_a_restart_stops_it_in_order(patient: Patient, stored: list[Coverage]) -> None:
    before = patient.file
    patient.kill("gcs/gcs_server")
    restarting = wait_until(lambda: patient.file, lambda seen: seen.boot not in ("", before.boot))
    wait_until(lambda: patient.processes("raylet/raylet"), what="its raylet")
    assert restarting.state == "restarting"
    restarting.send(signal.SIGTERM)
    wait_until(lambda: read_instance(patient.folder), lambda seen: seen is None)
    for boot in (before.boot, restarting.boot):
        assert not left_by(boot, str(patient.folder.ray_dir(boot)))
    assert [kind(patient.folder).find() for kind in (EmbeddedPostgres, EmbeddedValkey)] == [None, None]
    assert patient.candleray("status", "--data", str(patient.folder)).returncode == 1


def restarts_shown(patient: Patient) -> dict[str, int]:
    told = json.loads(patient.candleray("status", "--json", "--data", str(patient.folder)).stdout)
    return {part["name"]: part["restarts"]["count"] for part in told["parts"] if part["restarts"]}


def takes_jobs(patient: Patient) -> bool:
    with suppress(httpx.HTTPError), patient.ray_dashboard() as dashboard:
        return dashboard.get("/api/jobs/").is_success
    return False


def binds(listener: socket.socket, port: int) -> bool:
    with suppress(OSError):
        listener.bind(("127.0.0.1", port))
        return True
    return False
