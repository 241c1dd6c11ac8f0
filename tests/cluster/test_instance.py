"""The data folder, its lock and file, ports, and what a killed instance leaves: all without Ray."""

from __future__ import annotations

import fcntl
import os
import pwd
import signal
import socket
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO
from uuid import uuid4

import psutil
import pytest
from pydantic import SecretStr

from candleray.errors import InstanceError, ServiceUnavailable
from candleray.settings import ServiceSettings, Settings
from cluster.instance import status, stop
from cluster.instance.api_deployment import imported
from cluster.instance.environment import authentication, settings_environment
from cluster.instance.instance_file import Instance, read_instance, running_instance, wait_ready
from cluster.instance.start import already_running
from cluster.instance.stop import stop_instance
from cluster.machine import leftovers
from cluster.machine.data_folder import DataFolder
from cluster.machine.leftovers import BOOT, kill_leftovers, left_by
from cluster.machine.ports import BLOCK, FIRST, Ports, first_free, own_block, own_port, require_free
from cluster.machine.processes import start_ticks
from cluster.services.outside_services import require_common_services, require_reachable
from tests.support.instances.ports import free_port
from tests.support.instances.processes import running_script, started
from tests.support.waiting import wait_until

HOLD_A_LOCK = """
import fcntl, sys, time
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_EX)
print("locked", flush=True)
time.sleep(600)
"""


pytestmark = pytest.mark.usefixtures("little_patience")


@contextmanager
def held_by_another_process(path: Path) -> Iterator[int]:
    with running_script(HOLD_A_LOCK, path) as (holder, _):
        yield holder.pid


def instance_of(pid: int, folder: DataFolder, **changes: object) -> Instance:
    facts = {
        "pid": pid,
        "start_ticks": start_ticks(pid),
        "boot": "a-boot",
        "state": "ready",
        "data_dir": folder.path,
        "started_at": datetime(2026, 1, 1, tzinfo=UTC),
        "api_url": "http://127.0.0.1:8000",
        "api_port": 8000,
    }
    return Instance.model_validate(facts | changes)


def test_the_file_comes_back_as_it_was_written_for_our_eyes_only(folder: DataFolder) -> None:
    written = instance_of(os.getpid(), folder)
    written.write(folder)
    assert read_instance(folder) == written
    assert folder.instance_file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in folder.path.glob("instance*")] == ["instance.json"]


def test_a_file_cut_short_is_no_instance(folder: DataFolder) -> None:
    folder.instance_file.write_text('{"pid": 12')
    assert read_instance(folder) is None
    assert running_instance(folder) is None


def test_the_instance_that_holds_the_lock_is_the_running_one(folder: DataFolder) -> None:
    with held_by_another_process(folder.lock_file) as pid:
        instance_of(pid, folder).write(folder)
        running = running_instance(folder)
        assert running is not None
        assert running.pid == pid
    assert running_instance(folder) is None  # killed: the kernel let go of the lock, the file is stale
    assert read_instance(folder) is not None


def test_a_pid_that_came_again_is_not_the_instance(folder: DataFolder) -> None:
    with held_by_another_process(folder.lock_file) as pid:
        instance_of(pid, folder, start_ticks=(start_ticks(pid) or 0) - 1).write(folder)
        with pytest.raises(InstanceError, match=rf"in use by process {pid} .*which is no instance"):
            running_instance(folder)


def test_a_folder_locked_by_a_stranger_is_refused_with_his_name(folder: DataFolder) -> None:
    with held_by_another_process(folder.lock_file) as pid:
        for use in (lambda: running_instance(folder), folder.locked().__enter__, lambda: stop_instance(folder)):
            with pytest.raises(InstanceError, match=rf"{folder} is in use by process {pid} \(python"):
                use()
    with folder.locked():
        assert folder.is_locked()
    assert not folder.is_locked()


def test_a_second_start_on_another_port_names_process_port_and_folder(folder: DataFolder) -> None:
    with held_by_another_process(folder.lock_file) as pid:
        running = instance_of(pid, folder)
        running.write(folder)
        assert already_running(folder, running, None) == running
        assert already_running(folder, running, 8000) == running
        with pytest.raises(InstanceError, match=rf"{folder} \(process {pid}\) runs on port 8000, not 8001"):
            already_running(folder, running, 8001)
        with pytest.raises(InstanceError, match="asks the real exchanges: give another data folder"):
            already_running(folder, running, 8000, simulator=True)
        simulating = running.model_copy(update={"cautions": {"simulator": "no candle is real"}})
        simulating.write(folder)
        assert already_running(folder, simulating, 8000, simulator=True) == simulating


def test_waiting_ends_with_the_instance(folder: DataFolder) -> None:
    with held_by_another_process(folder.lock_file) as pid:
        instance_of(pid, folder, state="starting").write(folder)
        with pytest.raises(InstanceError, match=r"not ready after 0\.3 s"):
            wait_ready(folder, 0.3)
    with pytest.raises(InstanceError, match="is stopping"):
        wait_ready(folder, 10)


def test_an_instance_that_ends_while_it_is_looked_at_or_stopped_is_told_as_ended(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with held_by_another_process(folder.lock_file) as pid:
        instance = instance_of(pid, folder, api_url="http://127.0.0.1:9", boot="ended")
    for module in (status, stop):
        monkeypatch.setattr(module, "running_instance", lambda folder: instance)
    seen = status.inspect(folder)
    assert not seen.ready
    assert {part.name: part.pid for part in seen.parts} == dict.fromkeys(
        ("instance", "api", "clickhouse", "postgres", "valkey", "ray")
    )
    assert stop_instance(folder) == f"stopped the instance in {folder} (process {pid})"


def test_status_shows_each_live_runner_with_its_process(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with held_by_another_process(folder.lock_file) as pid:
        instance = instance_of(pid, folder, api_url="http://127.0.0.1:9", boot="here")
    monkeypatch.setattr(status, "running_instance", lambda folder: instance)
    ray_dir = folder.ray_dir("here")
    ray_dir.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as ours, socket.socket(socket.AF_UNIX) as gone:
        for name, listening in (("alive-live-runner-0", ours), ("alive-live-runner-1", gone)):
            listening.bind(str(ray_dir / name))
        ours.listen()
        seen = {part.name: part for part in status.inspect(folder).parts}
    assert (seen["live runner 0"].state, seen["live runner 0"].pid) == ("running", os.getpid())
    assert (seen["live runner 1"].state, seen["live runner 1"].pid) == ("no process", None)


def test_a_stop_ends_the_ray_that_was_started_last(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    with held_by_another_process(folder.lock_file) as pid:
        seen = instance_of(pid, folder, boot="seen before the stop")
        seen.model_copy(update={"boot": "started meanwhile"}).write(folder)
    monkeypatch.setattr(stop, "running_instance", lambda folder: seen)
    with started("sleep", "600", env={BOOT: "started meanwhile"}) as left:
        wait_until(lambda: left_by("started meanwhile", str(folder.ray_dir("started meanwhile"))))
        stop_instance(folder)
        assert left.wait(60) == -signal.SIGKILL


def test_a_signal_for_an_instance_never_reaches_the_process_that_has_its_pid_now(folder: DataFolder) -> None:
    with started("sleep", "600") as stranger:
        former = instance_of(stranger.pid, folder, start_ticks=(start_ticks(stranger.pid) or 0) - 1)
        former.send(signal.SIGKILL)
        assert not former.lives()
        with pytest.raises(subprocess.TimeoutExpired):
            stranger.wait(0.1)


def test_a_stop_where_nothing_ran_says_so_and_makes_nothing(tmp_path: Path) -> None:
    absent = DataFolder(tmp_path / "absent")
    assert stop_instance(absent) == f"no instance runs in {absent}"
    assert not absent.path.exists()


@pytest.mark.parametrize("inside", ["", "/deeper"])
def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path, inside: str) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(InstanceError, match="is not a folder"):
        DataFolder(tmp_path / f"data{inside}").prepare()


def test_a_folder_that_cannot_be_written_is_named() -> None:
    with pytest.raises(InstanceError, match=r"/proc/candleray cannot be written: .*: name one of yours by --data"):
        DataFolder(Path("/proc/candleray")).prepare()


@pytest.mark.parametrize("mode", [0o701, 0o702, 0o704, 0o710, 0o720, 0o740, 0o777])
def test_a_run_folder_that_others_can_enter_is_not_used(folder: DataFolder, mode: int) -> None:
    folder.run_dir.chmod(mode)
    with pytest.raises(InstanceError, match="somebody else made it"):
        folder.make_run_dir()


def test_a_run_folder_of_ours_is_used_again(folder: DataFolder) -> None:
    kept = folder.run_dir / "kept"
    kept.touch()
    folder.make_run_dir()
    assert kept.exists()
    assert folder.run_dir.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/tmp"), lambda path: path.touch(mode=0o600)])
def test_a_link_or_a_file_in_place_of_the_run_folder_is_not_used(
    folder: DataFolder, make: Callable[[Path], None]
) -> None:
    folder.forget_run_dirs()
    make(folder.run_dir)
    with pytest.raises(InstanceError, match="somebody else made it"):
        folder.make_run_dir()
    folder.run_dir.unlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes folders of others")
def test_a_run_folder_of_another_account_is_not_used(folder: DataFolder) -> None:
    os.chown(folder.run_dir, pwd.getpwnam("nobody").pw_uid, -1)
    with pytest.raises(InstanceError, match=rf"is not a private folder of user {os.geteuid()}"):
        folder.make_run_dir()


def test_a_candle_store_open_elsewhere_is_named_before_anything_starts(folder: DataFolder) -> None:
    folder.begin_candles()
    folder.require_free_candles()
    with (
        held_by_another_process(folder.clickhouse / "status") as pid,
        pytest.raises(InstanceError, match=rf"candle store in {folder.clickhouse} is open in process {pid} "),
    ):
        folder.require_free_candles()
    folder.require_free_candles()


def test_a_port_in_use_is_named_with_its_owner() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        with pytest.raises(InstanceError, match=rf"port {port} is in use by process {os.getpid()} "):
            require_free("127.0.0.1", port)
        with pytest.raises(InstanceError, match=f"port {port} is in use"):
            require_free("0.0.0.0", port)
        assert first_free("127.0.0.1", port) > port
    require_free("127.0.0.1", port)


def test_a_port_is_free_while_its_last_connection_lingers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as caller:
            accepted, _ = server.accept()
            accepted.close()  # who closes first lingers
            assert caller.recv(1) == b""
    require_free("127.0.0.1", port)


def test_an_address_of_another_machine_cannot_be_listened_on() -> None:
    with pytest.raises(InstanceError, match=r"cannot listen on 192\.0\.2\.77:8000"):
        require_free("192.0.2.77", 8000)


def test_instances_that_start_at_the_same_moment_have_blocks_of_ports_of_their_own() -> None:
    with own_block(8000) as first:
        for api_port in (8000, 8001, 8200):
            with own_block(api_port) as other:
                assert not set(all_ports(first)) & set(all_ports(other))
    with own_block(8000) as again:  # a third one on this machine may have it meanwhile
        assert (again.first - FIRST) % BLOCK == 0


def test_a_block_with_a_port_in_use_is_passed_over() -> None:
    with own_block(8000) as ports:
        in_use = ports.replicas[5]
    with socket.create_server(("127.0.0.1", in_use)), own_block(8000) as others:
        assert in_use not in all_ports(others)


def all_ports(ports: Ports) -> range:
    single = [getattr(ports, name) for name, value in vars(Ports).items() if isinstance(value, property)]
    wanted = range(ports.first, ports.first + BLOCK)
    assert {port for port in single if isinstance(port, int)} | set(ports.replicas) <= set(wanted)
    return wanted


def test_of_two_instances_that_start_on_one_port_at_the_same_moment_the_second_is_refused() -> None:
    port = free_port()
    with own_port("127.0.0.1", port):
        with pytest.raises(InstanceError, match=rf"port {port} is in use by process {os.getpid()} "):
            own_port("127.0.0.1", port).__enter__()
        with own_port("127.0.0.1", free_port()):
            pass
    with own_port("127.0.0.1", port):
        pass


def test_settings_pass_through_the_environment_unchanged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    base = Settings()
    settings = base.model_copy(
        update={
            "data_dir": tmp_path,
            "api": base.api.model_copy(update={"port": 8123}),
            "services": base.services.model_copy(
                update={
                    "postgres_url": SecretStr("postgresql://u:p%40ss@h/d?host=/tmp/x"),
                    "ray_address": "h:6379",
                }
            ),
            "history": base.history.model_copy(update={"base_urls": {"binance-spot": "http://127.0.0.1:9"}}),
        }
    )
    for name, value in settings_environment(settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(BOOT, "not a setting")
    assert Settings() == settings


def test_ray_asks_for_a_token_that_only_we_can_read(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    expected = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(folder.ray_token)}
    assert authentication(folder) == expected
    token = folder.ray_token.read_text()
    assert len(token) == 64
    assert folder.ray_token.stat().st_mode & 0o777 == 0o600
    assert authentication(folder) == expected
    assert folder.ray_token.read_text() == token  # a browser that knows it stays logged in
    folder.ray_token.write_text("")  # of a start that was killed before it had written
    assert authentication(folder) == expected
    assert len(folder.ray_token.read_text()) == 64
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert authentication(folder) == {"RAY_AUTH_MODE": "disabled"}


def test_a_service_that_is_not_there_is_named_without_its_password() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        url = SecretStr(f"postgresql://me:secret@127.0.0.1:{port}/candles")
        assert require_reachable(url, "postgres_url") == f"127.0.0.1:{port}"
    with pytest.raises(ServiceUnavailable, match=rf"services\.postgres_url: .* 127\.0\.0\.1:{port}") as caught:
        require_reachable(url, "postgres_url")
    assert "secret" not in str(caught.value)
    assert require_reachable(SecretStr("postgresql://me@/db?host=/run/x"), "postgres_url") == "/run/x"
    assert require_reachable(SecretStr("chdb:///data/clickhouse"), "clickhouse_url") == "/data/clickhouse"


def test_ray_on_other_machines_needs_services_that_they_can_reach() -> None:
    require_common_services(ServiceSettings(ray_address=None))
    require_common_services(ServiceSettings(ray_address="127.0.0.1:6379"))
    elsewhere = {"ray_address": "192.0.2.77:6379", "postgres_url": SecretStr("postgresql://h/d")}
    with pytest.raises(InstanceError, match=r"set services\.clickhouse_url, services\.redis_url$"):
        require_common_services(ServiceSettings(**elsewhere))
    named = {"clickhouse_url": SecretStr("http://h"), "redis_url": SecretStr("redis://h")}
    require_common_services(ServiceSettings(**elsewhere, **named))


def test_an_application_that_cannot_be_loaded_is_named(folder: DataFolder) -> None:
    for app in ("candleray.errors:nothing", "candleray.nowhere:build"):
        with pytest.raises(InstanceError, match=f"the application {app} cannot be loaded"):
            imported(app)


@contextmanager
def titled_process(ray_dir: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process like Ray's agents: no environment to be seen, a title, an open log."""
    with (
        (ray_dir / "agent.log").open() as log,
        started("ray::Agent", "600", executable="/bin/sleep", stdin=log, env={}) as agent,
    ):
        yield agent


def own_boot() -> str:
    """A boot of no other test run on this machine: what carries it is killed."""
    return f"boot-{uuid4()}"


def test_leftovers_are_found_by_their_boot_and_nothing_else_is_killed(folder: DataFolder) -> None:
    boot, next_boot = own_boot(), own_boot()
    ray_dir, next_dir = folder.ray_dir(boot), folder.ray_dir(f"{boot}-again")
    for each in (ray_dir, next_dir):
        each.mkdir()
        (each / "agent.log").touch()
    with (
        started("sleep", "600", env={BOOT: boot}) as marked,
        started("sleep", "600", env={BOOT: own_boot()}) as foreign,
        titled_process(ray_dir) as titled,
        titled_process(next_dir) as titled_next,
        started("tail", "-f", str(ray_dir / "agent.log")) as reader,
    ):
        # A process shows neither environment nor title at the moment it executes.
        ours = {marked.pid, titled.pid}
        wait_until(lambda: set(left_by(boot, str(ray_dir))), lambda seen: seen == ours)
        wait_until(lambda: left_by(next_boot, str(next_dir)), lambda seen: seen == [titled_next.pid])
        assert kill_leftovers(boot, str(ray_dir)) == 2
        assert marked.wait(60) == titled.wait(60) == -signal.SIGKILL
        assert [spared.poll() for spared in (foreign, titled_next, reader)] == [None] * 3


def test_who_looks_for_leftovers_is_none_itself(folder: DataFolder) -> None:
    boot = own_boot()
    look = "import sys; from cluster.machine.leftovers import left_by; print(left_by(*sys.argv[1:]))"
    environment = {**os.environ, BOOT: boot}
    arguments = [sys.executable, "-c", look, boot, str(folder.ray_dir(boot))]
    assert subprocess.run(arguments, env=environment, capture_output=True, check=True, text=True).stdout == "[]\n"


def test_a_look_in_vain_is_taken_again(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    with started("sleep", "600") as starting:
        looks = iter([[], [starting.pid], [], []])  # at the first it executes its program
        monkeypatch.setattr(leftovers, "left_by", lambda boot, ray_dir: next(looks))
        assert kill_leftovers("a-boot", str(folder.ray_dir("a-boot"))) == 1
        assert starting.wait(60) == -signal.SIGKILL
    assert list(looks) == []


def test_the_guard_kills_when_its_supervisor_is_gone(folder: DataFolder) -> None:
    boot = own_boot()
    program = ("-I", "-S", str(leftovers.__file__), boot, str(folder.ray_dir(boot)))
    with (
        started("sleep", "600", env={BOOT: boot}) as marked,
        started(sys.executable, *program, stdin=subprocess.PIPE, env={}) as guard,
    ):
        guard.stdin.write(b"still here")
        guard.stdin.flush()
        wait_until(lambda: unread_bytes(guard.stdin) == 0, what="the guard listens")
        assert marked.poll() is None
        assert psutil.Process(guard.pid).memory_info().rss < 30e6
        guard.stdin.close()
        assert marked.wait(60) == -signal.SIGKILL


def unread_bytes(pipe: IO[bytes]) -> int:
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"    "))[0]
