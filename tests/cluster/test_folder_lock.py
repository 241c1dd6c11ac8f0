"""A data folder has one instance, whatever is removed, replaced, copied or started beside it."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from candleray.errors import InstanceError
from candleray.settings import Settings
from cluster.instance.instance_file import Instance, running_instance
from cluster.instance.start import already_running
from cluster.instance.stop import stop_instance
from cluster.instance.supervisor import Supervisor
from cluster.machine.data_folder import DataFolder
from cluster.machine.leftovers import BOOT, DATA_DIR, boots_of, left_by
from cluster.machine.processes import describe, opened_by, start_ticks
from cluster.services.embedded_valkey import EmbeddedValkey
from tests.support.instances.processes import running_script, started
from tests.support.waiting import wait_until

HOLD_THE_FOLDER = """
import fcntl, os, sys, time
fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)
print("locked", flush=True)
time.sleep(600)
"""


pytestmark = pytest.mark.usefixtures("little_patience")


@pytest.fixture
def holder(folder: DataFolder) -> Iterator[Instance]:
    """A process that holds the folder as an instance does, and its file."""
    with running_script(HOLD_THE_FOLDER, folder) as (process, _):
        instance = Instance.model_validate(
            {
                "pid": process.pid,
                "start_ticks": start_ticks(process.pid),
                "boot": "a-boot",
                "state": "ready",
                "data_dir": folder.path,
                "started_at": "2026-01-01T00:00:00Z",
                "api_url": "http://127.0.0.1:8000",
                "api_port": 8000,
            }
        )
        instance.write(folder)
        yield instance
        process.kill()


def supervisor_of(folder: DataFolder) -> Supervisor:
    return Supervisor(Settings(data_dir=folder.path), "app", lambda event: None)


def test_a_removed_lock_file_frees_nothing(folder: DataFolder, holder: Instance) -> None:
    folder.lock_file.unlink()
    assert running_instance(folder) == holder
    with pytest.raises(InstanceError, match=rf"is in use by process {holder.pid} "), folder.locked():
        pass
    folder.prepare()  # which makes the file again
    with pytest.raises(InstanceError, match=rf"is in use by process {holder.pid} "), folder.locked():
        pass


def test_a_removed_folder_is_still_known_by_its_holder(folder: DataFolder, holder: Instance) -> None:
    shutil.rmtree(folder.path)
    assert opened_by(folder.path) == holder.pid, describe(holder.pid)
    assert running_instance(folder) == holder
    with pytest.raises(InstanceError, match="runs without its data folder"):
        already_running(folder, holder, None)


def test_a_replaced_folder_starts_nothing_and_ends_nothing_while_its_instance_lives(
    folder: DataFolder, holder: Instance
) -> None:
    shutil.rmtree(folder.path)
    folder.prepare()
    with (
        started("sleep", "600", env={BOOT: holder.boot}) as owned,
        pytest.raises(
            InstanceError, match=rf"process {holder.pid} still runs, though its data folder was removed"
        ),
        supervisor_of(folder)._data_folder(),
    ):
        pass
    assert owned.returncode == -signal.SIGKILL  # by this test's end, not by the start
    assert holder.lives()


def test_the_copy_of_a_folder_takes_nothing_from_the_original(
    folder: DataFolder, holder: Instance, tmp_path: Path
) -> None:
    copy = DataFolder(tmp_path / "copy")
    shutil.copytree(folder.path, copy.path)
    assert supervisor_of(copy)._killed() is None
    with started("sleep", "600", env={BOOT: holder.boot}) as owned:
        wait_until(lambda: left_by(holder.boot, ""))
        stop_instance(copy)
        assert owned.poll() is None
    assert holder.lives()


@pytest.mark.parametrize("run_dir_too", [False, True])
def test_a_stop_works_without_the_folder(folder: DataFolder, holder: Instance, run_dir_too: bool) -> None:
    service = EmbeddedValkey(folder)
    service.start()
    assert service.process
    with started("sleep", "600", env={BOOT: holder.boot, DATA_DIR: str(folder)}) as owned:
        wait_until(lambda: boots_of(str(folder)), lambda boots: boots == {holder.boot})
        shutil.rmtree(folder.path)
        if run_dir_too:
            folder.forget_run_dirs()
        assert f"process {holder.pid}" in stop_instance(folder)
        assert owned.wait(60) == -signal.SIGKILL
    assert not holder.lives()
    assert service.process is None or not service.runs()
    assert EmbeddedValkey(folder).find() is None
    assert not folder.path.exists()


def test_what_is_no_text_is_no_instance(folder: DataFolder) -> None:
    folder.instance_file.write_bytes(b"\xff\xfe\x00")
    assert running_instance(folder) is None
