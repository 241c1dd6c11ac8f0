"""The running instance of a data folder, as the other commands find it: a file beside the lock."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from candleray.errors import InstanceError
from candleray.private_files import write_private
from cluster.machine.data_folder import LOCK_PATIENCE_S, DataFolder
from cluster.machine.polls import polls
from cluster.machine.processes import start_ticks

State = Literal["starting", "ready", "restarting", "stopping"]


class RayCluster(BaseModel):
    """The addresses of the cluster, known to the process that started or joined it."""

    model_config = ConfigDict(frozen=True)

    address: str
    dashboard_url: str | None = None
    token: Path | None = None
    metrics_urls: tuple[str, ...] = ()
    vital: dict[str, int] = {}
    """Processes of our own cluster, by name, that it cannot go on without."""
    raylet_address: str | None = None
    """The address of this machine's raylet, where the cluster is our own."""
    dashboard_pid: int | None = None


class Restarts(BaseModel):
    """The number of a part's starts after its first one, and the reason of the last."""

    model_config = ConfigDict(frozen=True)

    count: int
    reason: str
    at: datetime

    @classmethod
    def after(cls, former: Restarts | None, reason: str) -> Restarts:
        return cls(count=former.count + 1 if former else 1, reason=reason, at=datetime.now(UTC))


class Trouble(BaseModel):
    """A failure of the look after a part that lasts; gone with the first look that succeeds."""

    model_config = ConfigDict(frozen=True)

    reason: str
    """The last one."""
    count: int
    since: datetime

    @classmethod
    def after(cls, former: Trouble | None, reason: str) -> Trouble:
        count, since = (former.count + 1, former.since) if former else (1, datetime.now(UTC))
        return cls(reason=reason, count=count, since=since)


class Instance(BaseModel):
    """The process that runs the folder, and the addresses of its parts. Whether it runs, the lock says."""

    model_config = ConfigDict(frozen=True, extra="ignore")  # another version's file must stay readable

    pid: int
    start_ticks: int
    """The process's start, which with its pid is its identity: pids come again."""
    boot: str
    """Id drawn at each start of Ray; every process that Ray starts carries it."""
    state: State
    data_dir: Path
    started_at: datetime
    build: str | None = None
    """Version and commit of the code that it runs."""
    api_url: str
    api_port: int
    dashboard_url: str | None = None
    ray_address: str | None = None
    ray_token: Path | None = None
    """The token that Ray asks for, if it does: whoever reads it can run code on the cluster."""
    metrics_urls: tuple[str, ...] = ()
    cautions: dict[str, str] = {}
    """Sentences that its owner should know, by the thing that each is about."""
    restarts: dict[str, Restarts] = {}
    """Restarts by the part that had ended."""
    troubles: dict[str, Trouble] = {}
    """Troubles by the part that is in them now."""

    def write(self, folder: DataFolder) -> None:
        """Write it to the data folder, and beside the sockets.

        Raises:
            InstanceError: that folder is no longer at its path.
            OSError: it cannot be written.
        """
        content = self.model_dump_json(indent=2)
        with suppress(OSError, InstanceError):  # the copy is for those who find the data folder gone
            folder.make_run_dir()
            write_private(folder.instance_copy, content)
        if fault := folder.place.fault():
            raise InstanceError(f"the data folder {fault}: put back what was there")
        write_private(folder.instance_file, content)

    def lives(self) -> bool:
        return start_ticks(self.pid) == self.start_ticks

    def send(self, number: signal.Signals) -> None:
        """Send the signal to its process, and to no other one: where that has ended, nothing happens."""
        with suppress(ProcessLookupError):
            if self.lives():
                os.kill(self.pid, number)


def read_instance(folder: DataFolder) -> Instance | None:
    """Read the file, which may be of an instance that was killed."""
    return _read(folder.instance_file)


def instance_without_folder(folder: DataFolder) -> Instance | None:
    """The instance that was started here and runs on, though its folder has been removed or replaced since."""
    if folder.is_locked():
        return None
    known = known_copy(folder)
    return known if known and known.lives() and known.pid != os.getpid() else None


def known_copy(folder: DataFolder) -> Instance | None:
    return _read(folder.instance_copy)


def _read(path: Path) -> Instance | None:
    try:
        return Instance.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):  # none, half of one, or no text at all
        return None
    except OSError as exc:
        raise InstanceError(f"{path} cannot be read: {exc.strerror}") from exc


def running_instance(folder: DataFolder) -> Instance | None:
    """The instance that holds the folder now, or would if that had not been taken from it.

    Raises:
        InstanceError: the folder is held by a process that is no instance.
    """
    for _ in polls(LOCK_PATIENCE_S):  # between an instance's lock and its file, or its end and the lock's
        if not folder.is_locked():
            return instance_without_folder(folder)
        instance = read_instance(folder)
        if instance and instance.lives():
            return instance
    raise InstanceError(f"the data folder {folder} is in use by {folder.holder()}, which is no instance")


def wait_ready(folder: DataFolder, timeout_s: float) -> Instance:
    """The instance once it is ready.

    Raises:
        InstanceError: it stopped, or was not ready in time.
    """
    for _ in polls(timeout_s, every_s=0.1):
        instance = running_instance(folder)
        if instance is None or instance.state == "stopping":
            raise InstanceError(f"the instance in {folder} is stopping: try again when it is down")
        if instance.state == "ready":
            return instance
    raise InstanceError(f"the instance in {folder} is not ready after {timeout_s:g} s: see {folder.logs}")
