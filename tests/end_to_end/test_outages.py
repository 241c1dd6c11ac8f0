"""A full disk, missing folders, slow clients: all heals by itself once the cause is gone, and loses nothing."""

from __future__ import annotations

import random
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from cluster.machine.data_folder import DataFolder
from tests.support.instances.frozen_files import FrozenFiles
from tests.support.instances.patient import Patient
from tests.support.instances.ports import free_port
from tests.support.instances.slow_callers import silent, stalled
from tests.support.instances.small_disk import SmallDisk, small_disk_if_any
from tests.support.instances.witnesses import OtherUser, Writer, going_on, in_words, require_prompt, slowest_s
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.faults,
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.timeout(3000),
]

OTHER_USER = 42
FULL_FOR_S = 5.0
"""The time for which everything tries, and fails."""
KILLED = {"raylet/raylet": "ray", "bin/postgres": "postgres", "valkey-server": "valkey"}
"""Processes that are killed while the disk is full, and the parts that count their restarts."""
STALLED, SILENT = 410, 4200
"""More than all request slots of two replicas; more than the connections of Serve's own HAProxy."""
ME_WITHIN_S = 1.0
"""The longest that another user's `/me` may take among slow clients, beside what it takes without them."""


@pytest.fixture(scope="module")
def disk() -> Iterator[SmallDisk | None]:
    """A disk of its own for the data, where one may be mounted."""
    with small_disk_if_any("500m") as mounted:
        yield mounted


@pytest.fixture(scope="module")
def patient(disk: SmallDisk | None) -> Iterator[Patient]:
    place = disk.path if disk else Path(tempfile.mkdtemp(prefix="candleray-outages-", dir="/tmp"))
    place.chmod(0o711)
    instance = Patient(DataFolder(place / "data"), free_port(), {"CANDLERAY_COMPUTE__DASHBOARD": "true"})
    try:
        instance.up()
        yield instance
    finally:
        instance.down()
        shutil.rmtree(place / "data", ignore_errors=True)


@pytest.fixture(scope="module")
def writer(patient: Patient) -> Writer:
    return Writer(patient)


@contextmanager
def round_of(
    writer: Writer,
    what: str,
    moments: random.Random,
    go_on_freeing: Callable[[], None] = lambda: None,
    killed: Iterable[str] = (),
) -> Iterator[None]:
    """One fault at a random moment while rows are written, until all is whole; then the rows are counted.

    Parts that are killed must have been started again: `/ready` may not have seen yet that they are gone.
    """
    patient = writer.patient
    patient.wait_whole()
    restarts = {part: patient.restarts(part) for part in killed}

    def is_healed() -> bool:
        go_on_freeing()
        return all(patient.restarts(part) > count for part, count in restarts.items()) and patient.is_whole()

    writer.begin_round()
    with going_on(writer.step):
        time.sleep(moments.uniform(0, 3))
        before = writer.acknowledged
        yield
        began = time.monotonic()
        wait_until(is_healed, what="the instance is whole")
        healed_s = time.monotonic() - began
    lost, since = writer.lost(), writer.acknowledged - before
    told = f"{writer.acknowledged} rows acknowledged, {since} of them from the fault on, {lost} lost"
    print(f"{what}: whole {healed_s:.1f} s after the cause had gone; {told}", flush=True)
    assert lost == 0


@pytest.mark.parametrize("kind", ["a small disk", "files that may not grow"])
def test_a_full_disk_is_said_and_heals_with_the_room(
    patient: Patient, writer: Writer, disk: SmallDisk | None, kind: str, fault_rounds: int
) -> None:
    if kind == "a small disk" and disk is None:
        pytest.skip("no disk can be mounted here; files that may not grow stand for it")
    full = disk if kind == "a small disk" and disk else FrozenFiles(patient)
    moments = random.Random(kind)
    for number in range(1, fault_rounds + 1):
        with round_of(writer, f"full disk, {kind}, round {number}", moments, full.free, KILLED.values()):
            victims = [patient.first_of(words) for words in KILLED]
            full.fill()
            try:
                for victim in victims:
                    with suppress(psutil.NoSuchProcess):  # it may have ended by itself, for want of room
                        victim.kill()
                wait_until(lambda: patient.ready() != 200)
                time.sleep(FULL_FOR_S)
            finally:
                full.free()


@pytest.mark.parametrize("missing", ["logs", "postgres", "valkey", "clickhouse", ""])
def test_a_folder_that_is_moved_away_is_not_begun_anew_and_heals_when_it_is_back(
    patient: Patient, writer: Writer, missing: str, fault_rounds: int
) -> None:
    path = patient.folder.path / missing if missing else patient.folder.path
    moments = random.Random(missing)
    for number in range(1, fault_rounds + 1):
        with round_of(writer, f"missing folder {missing or 'of all data'}, round {number}", moments):
            hide_for_a_while(patient, writer, path, missing)


def hide_for_a_while(patient: Patient, writer: Writer, path: Path, missing: str) -> None:
    away = path.with_name(f"{path.name}-away")
    path.rename(away)
    if missing == "logs":
        patient.first_of("valkey-server").kill()
        wait_until(path.exists, what="the folder of logs")
        shutil.rmtree(away)
        return
    wait_until(lambda: patient.ready() == 503)
    if missing != "valkey":  # candles do without counters
        acknowledged = writer.acknowledged
        time.sleep(2)
        assert writer.acknowledged == acknowledged
    if path.exists():
        shutil.rmtree(path)
    away.rename(path)


def test_slow_clients_keep_no_other_user_waiting(patient: Patient, writer: Writer, fault_rounds: int) -> None:
    moments = random.Random("slow")
    most = open_more_files()
    token, restarts = patient.token_of(OTHER_USER), patient.file.restarts
    for number in range(1, fault_rounds + 1):
        other = OtherUser(patient, token)
        with round_of(writer, f"slow clients, round {number}", moments), going_on(other.step):
            time.sleep(2)
            calm_s, began = slowest_s(other.answers), time.monotonic()
            with ExitStack() as held:
                for _ in range(STALLED):
                    held.enter_context(stalled(patient.port))
                for _ in range(min(SILENT, most - 2 * STALLED)):
                    held.enter_context(silent(patient.port))
                time.sleep(moments.uniform(10, 20))  # deadlines pass, the silent ones stay
            meanwhile = other.begun(began, time.monotonic())
        print(f"/me took {calm_s:.2f} s before, meanwhile {in_words(meanwhile)}", flush=True)
        assert {each.status for each in meanwhile} == {200}
        require_prompt(meanwhile, ME_WITHIN_S + calm_s)
    assert patient.file.restarts == restarts


def open_more_files() -> int:
    """Raise this process's own limit as far as it may; return it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def test_it_stops_on_a_full_disk_and_without_its_folder(patient: Patient, disk: SmallDisk | None) -> None:
    patient.wait_whole()
    processes = [process for process in patient.processes() if process.is_running()]
    if disk:
        disk.fill()
    away = patient.folder.path.with_name("away")
    patient.folder.path.rename(away)
    told = patient.candleray("down", "--data", str(patient.folder))
    away.rename(patient.folder.path)
    assert told.returncode == 0, told.stderr
    assert "stopped the instance" in told.stdout
    assert [each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE] == []
