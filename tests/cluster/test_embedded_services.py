"""Postgres and Valkey from their wheels: started, attached to, stopped, and what survives a kill."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
import redis

from candleray.databases.postgres import Postgres
from candleray.errors import InstanceError
from cluster.machine.data_folder import DataFolder
from cluster.machine.processes import answers_of, ends_within, is_running, tree_of
from cluster.services import embedded_postgres as postgres_module
from cluster.services.embedded_postgres import EmbeddedPostgres, reachable
from cluster.services.embedded_service import EmbeddedService, as_account
from cluster.services.embedded_valkey import EmbeddedValkey
from tests.support.instances.processes import running_script, suspend_all
from tests.support.waiting import PATIENCE_S

SERVICES = (EmbeddedPostgres, EmbeddedValkey)
SOCKET_LIMIT = 107

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs Postgres under another account")

STARTED_BY_ANOTHER = """
import sys, time
from pathlib import Path
from cluster.machine.data_folder import DataFolder
from cluster.services.embedded_{module} import {name}
service = {name}(DataFolder(Path(sys.argv[1])))
service.start()
print(service.process.pid, flush=True)
time.sleep(600)
"""

MakeFolder = Callable[[Path], DataFolder]


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder outside pytest's own, which as root no other account could enter."""
    path = Path(tempfile.mkdtemp(prefix="candleray-test-", dir="/tmp"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture(autouse=True)
def _quick_initdb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_module, "INITDB", (*postgres_module.INITDB, "--no-sync"))


@pytest.fixture
def make_folder() -> Iterator[MakeFolder]:
    made: list[DataFolder] = []

    def make(path: Path) -> DataFolder:
        folder = DataFolder(path)
        folder.prepare()
        made.append(folder)
        return folder

    yield make
    for folder in made:
        for service in SERVICES:
            service(folder).stop()
        folder.forget_run_dirs()


@pytest.fixture
def folder(place: Path, make_folder: MakeFolder) -> DataFolder:
    return make_folder(place / "data")


async def write(service: EmbeddedService, value: str) -> None:
    if isinstance(service, EmbeddedValkey):
        with redis.Redis.from_url(service.url) as client:
            client.xadd("kept", {"value": value})
        return
    connection = await asyncpg.connect(service.url)
    await connection.execute("CREATE TABLE kept (value text)")
    await connection.execute("INSERT INTO kept VALUES ($1)", value)
    await connection.close()


async def read(service: EmbeddedService) -> list[str]:
    if isinstance(service, EmbeddedValkey):
        with redis.Redis.from_url(service.url, decode_responses=True) as client:
            return [fields["value"] for _, fields in client.xrange("kept")]
    connection = await asyncpg.connect(service.url)
    rows = await connection.fetch("SELECT value FROM kept")
    await connection.close()
    return [row["value"] for row in rows]


@pytest.mark.parametrize("kind", SERVICES)
async def test_a_second_start_attaches_and_a_stop_ends_it(kind: type[EmbeddedService], folder: DataFolder) -> None:
    first, second = kind(folder), kind(folder)
    assert first.start() == "started"
    assert second.start() == "attached"
    assert second.process == first.process
    await write(second, "seen by both")
    assert await read(first) == ["seen by both"]
    second.stop()
    assert not first.runs()
    assert kind(folder).find() is None


@pytest.mark.parametrize("kind", SERVICES)
async def test_it_outlives_a_killed_parent_and_is_attached_to(
    kind: type[EmbeddedService], folder: DataFolder
) -> None:
    script = STARTED_BY_ANOTHER.format(module=kind.name, name=kind.__name__)
    pid = started_by_a_killed_process(script, folder)
    service = kind(folder)
    assert service.start() == "attached"
    assert service.process
    assert service.process.pid == pid
    await write(service, "kept")
    assert await read(service) == ["kept"]


@pytest.mark.parametrize("kind", SERVICES)
async def test_what_was_acknowledged_survives_a_kill(kind: type[EmbeddedService], folder: DataFolder) -> None:
    service = kind(folder)
    service.start()
    await write(service, "acknowledged")
    assert service.process
    service.process.kill()
    assert ends_within(service.process, PATIENCE_S)
    assert not service.runs()
    assert service.start() == "started"
    assert await read(service) == ["acknowledged"]


@pytest.mark.parametrize("kind", SERVICES)
async def test_one_that_is_suspended_with_all_it_has_started_is_killed_whole(
    kind: type[EmbeddedService], folder: DataFolder
) -> None:
    service = kind(folder)
    service.start()
    await write(service, "acknowledged")
    tree = tree_of(service.process)
    suspend_all(tree)
    service.kill()
    assert not [process for process in tree if is_running(process)]
    assert service.start() == "started"
    assert await read(service) == ["acknowledged"]


@pytest.mark.parametrize("kind", SERVICES)
def test_it_is_started_anew_when_its_socket_is_gone(kind: type[EmbeddedService], folder: DataFolder) -> None:
    service = kind(folder)
    service.start()
    first = service.process
    folder.forget_run_dirs()  # as a cleaner of /tmp does
    assert service.start() == "started"
    assert service.process != first
    assert service.answers()


def test_a_killed_postgres_that_nobody_has_collected_yet_does_not_stop_the_next(folder: DataFolder) -> None:
    service = EmbeddedPostgres(folder)
    service.start()
    service.stop()
    former = subprocess.Popen(["true"], **as_account(service.account))
    os.waitid(os.P_PID, former.pid, os.WEXITED | os.WNOWAIT)  # ended, and not collected: to Postgres it runs
    lock = service.data.resolve() / "postmaster.pid"
    lock.write_text(f"{former.pid}\n{lock.parent}\n")
    collected = threading.Timer(1.0, former.wait)
    collected.start()
    assert service.start() == "started"
    collected.join()


def test_what_a_killed_postgres_leaves_does_not_stop_the_next(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EmbeddedPostgres, "stop_timeout_s", 0.5)
    service = EmbeddedPostgres(folder)
    service.start()
    server, *children = tree_of(service.process)
    suspend_all(children)  # they do not notice that their parent is gone
    server.kill()
    assert ends_within(server, PATIENCE_S)
    assert service.start() == "started"
    assert [child for child in children if is_running(child)] == []


async def test_statements_go_on_while_the_parent_of_postgres_lets_nobody_in(folder: DataFolder) -> None:
    service = EmbeddedPostgres(folder)
    service.start()
    store = await Postgres.open(service.url)
    assert service.process
    suspend_all([service.process])
    try:
        async with asyncio.timeout(60):
            await asyncio.gather(*(asleep(store) for _ in range(4)))
    finally:
        service.process.resume()
        await store.close()


async def asleep(store: Postgres) -> None:
    async with store.connection() as connection:
        await connection.execute("SELECT pg_sleep(0.3)")


@pytest.mark.parametrize("kind", SERVICES)
def test_a_suspended_service_is_killed_with_all_it_started_and_then_starts(
    kind: type[EmbeddedService], folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kind, "stop_timeout_s", 0.5)
    service = kind(folder)
    service.start()
    suspended = tree_of(service.process)
    suspend_all(suspended)
    service.stop()
    assert [process for process in suspended if is_running(process)] == []
    assert kind(folder).find() is None
    assert service.start() == "started"


@pytest.mark.parametrize("kind", SERVICES)
def test_a_deep_data_folder_still_has_short_and_private_sockets(
    kind: type[EmbeddedService], place: Path, make_folder: MakeFolder
) -> None:
    path = place / ("deep" * 30) / ("deeper" * 20)
    path.parent.mkdir(mode=0o711)
    service = kind(make_folder(path))
    assert len(str(path)) > 2 * SOCKET_LIMIT
    assert service.start() == "started"
    assert len(str(service.socket)) < SOCKET_LIMIT
    assert service.socket.parent.stat().st_mode & 0o077 == 0


def test_two_valkeys_never_write_to_the_same_files(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.services.embedded_valkey.CLAIM_PATIENCE_S", 0.1)
    monkeypatch.setattr(
        EmbeddedValkey, "running_on", lambda self, socket: None
    )  # by which it would be attached to
    first = EmbeddedValkey(folder)
    first.start()
    assert first.process
    first.pid_file.unlink()
    try:
        with pytest.raises(InstanceError, match=rf"in use by process {first.process.pid} \(valkey-server"):
            EmbeddedValkey(folder).start()
    finally:
        first.stop()


def test_a_cluster_of_another_version_is_refused_in_words(folder: DataFolder) -> None:
    service = EmbeddedPostgres(folder)
    service.start()
    service.stop()
    (service.data / "PG_VERSION").write_text("15\n")
    with pytest.raises(InstanceError, match="was made by Postgres 15"):
        service.start()


def test_a_cluster_that_cannot_be_made_leaves_nothing(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_module, "INITDB", ("--locale=no_SUCH.UTF-8",))
    with pytest.raises(Exception, match=r"initdb failed.*no_SUCH"):
        EmbeddedPostgres(folder).start()
    assert sorted(path.name for path in folder.path.glob("postgres*")) == []


def test_what_a_killed_start_had_half_made_is_removed(folder: DataFolder) -> None:
    unfinished = folder.path / "postgres-unfinished"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").touch()
    EmbeddedPostgres(folder).start()
    assert sorted(path.name for path in folder.path.glob("postgres*")) == ["postgres"]


def test_a_link_to_files_that_are_gone_is_not_begun_anew(folder: DataFolder) -> None:
    (folder.path / "postgres").symlink_to("/var/lib/candleray/gone")
    with pytest.raises(InstanceError, match="points to /var/lib/candleray/gone, which is gone"):
        EmbeddedPostgres(folder).start()


@as_root
def test_roots_postgres_runs_under_another_account_on_files_placed_where_that_can_reach_them(
    place: Path, make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = place / "home"
    home.mkdir(mode=0o700)
    wheel = copied_wheel(home)
    monkeypatch.setattr(postgres_module, "package_folder", lambda name: wheel)
    monkeypatch.setattr(EmbeddedPostgres, "shared", place / "shared")
    service = EmbeddedPostgres(make_folder(home / "data"))
    assert service.start() == "started"
    assert service.process
    assert service.account
    accounts = answers_of(tree_of(service.process), lambda process: (process.uids(), groups_of(process)))
    assert accounts[0][0] == service.process
    for _, (uids, groups) in accounts:
        assert uids.real == uids.effective == service.account.pw_uid != 0
        assert 0 not in groups
    assert service.data.is_symlink()
    assert service.data.resolve().parent == place / "shared"
    assert Path(service.process.exe()).is_relative_to(place / "shared")
    assert home.stat().st_mode & 0o777 == 0o700  # never opened
    assert EmbeddedPostgres(service.folder).start() == "attached"
    service.stop()


@as_root
def test_an_ordinary_user_runs_postgres_as_himself(place: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    os.chown(place, nobody.pw_uid, nobody.pw_gid)

    def start() -> None:
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)
        folder = DataFolder(place / "data")
        folder.prepare()
        service = EmbeddedPostgres(folder)
        service.start()
        assert service.account is None
        assert service.process
        assert service.process.uids().real == nobody.pw_uid
        service.stop()
        folder.forget_run_dirs()

    child = multiprocessing.get_context("fork").Process(target=start)
    child.start()
    child.join(PATIENCE_S)
    assert child.exitcode == 0


@as_root
def test_reachable_follows_owner_group_and_others(place: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    inner = place / "inner"
    inner.mkdir()
    for mode, uid, gid, expected in (
        (0o700, 0, 0, False),
        (0o711, 0, 0, True),
        (0o700, nobody.pw_uid, 0, True),
        (0o011, nobody.pw_uid, 0, False),
        (0o710, 0, nobody.pw_gid, True),
        (0o701, 0, nobody.pw_gid, False),
    ):
        os.chown(inner, uid, gid)
        inner.chmod(mode)
        assert reachable(inner / "..", nobody)
        assert reachable(inner, nobody) is expected


def started_by_a_killed_process(script: str, folder: DataFolder) -> int:
    with running_script(script, folder) as (_, pid):
        return int(pid)


def copied_wheel(home: Path) -> Path:
    original = postgres_module._wheel_binaries().parents[1]
    shutil.copytree(original, home / original.name, ignore=shutil.ignore_patterns("include"))
    shutil.copytree(original.with_name(f"{original.name}.libs"), home / f"{original.name}.libs")
    return home / original.name


def groups_of(process: psutil.Process) -> list[int]:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return [int(word) for line in lines if line.startswith("Groups:") for word in line.split()[1:]]
