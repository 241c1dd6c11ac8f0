"""The data folder of an instance: what lies where in it, and the lock that makes it one instance's alone."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path

from candleray.errors import InstanceError
from candleray.inventory import PARTS, Inventory, Place
from candleray.private_files import expanded
from candleray.sdk.connection import INSTANCE_FILE
from cluster.machine.polls import polls
from cluster.machine.processes import describe, opened_by

LOCK_PATIENCE_S = 2.0
"""Longer than anybody holds the lock only to look at it."""


class DataFolder:
    """`path` keeps what must last; `run_dir` holds sockets and logs of the moment, and may go with a reboot."""

    def __init__(self, path: Path) -> None:
        self.path = expanded(path)
        self.lock_file = self.path / "lock"
        """Earlier versions lock this file; ours locks the folder itself, which no tidying removes."""
        self.inventory = Inventory(self.path)
        self.instance_file = self.path / INSTANCE_FILE
        self.ray_token = self.path / "ray_token"
        self.clickhouse = self.path / "clickhouse"
        self.monitoring = self.path / "monitoring"
        self.restoring = self.path / "restoring"
        """The mark of a restore that has not ended."""
        self.logs = self.path / "logs"
        self.ray_logs = self.logs / "ray"
        self.former_ray_logs = self.logs / "ray-former"

    @cached_property
    def place(self) -> Place:
        """The folder as it was when this was first asked for."""
        return Place(self.path)

    def __str__(self) -> str:
        return str(self.path)

    @cached_property
    def run_dir(self) -> Path:
        """A short path: Ray takes 75 of the 107 characters that a socket's may have, Serve 70 of HAProxy's 97."""
        return Path("/tmp") / f"candleray-{hashlib.sha256(os.fsencode(self.path)).hexdigest()[:8]}"  # noqa: S108

    @property
    def instance_copy(self) -> Path:
        """The instance's file once more, for those who look for an instance that has lost its folder."""
        return self.run_dir / INSTANCE_FILE

    def prepare(self) -> None:
        """Make the folders that last, where they are not there.

        Raises:
            InstanceError: the path is not a folder, or not ours to write in.
        """
        try:
            # Root's Postgres runs under another account, which must be able to pass through.
            make_folder(self.path, 0o711 if os.geteuid() == 0 else 0o700)
            self.lock_file.touch(mode=0o600)
            self.inventory.begin()
            self.make_logs()
        except (FileExistsError, NotADirectoryError) as exc:
            raise InstanceError(f"the data folder {self} is not a folder: {exc.filename} is a file") from exc
        except OSError as exc:
            raise InstanceError(f"the data folder {self} cannot be written: {exc.strerror}{_remedy(exc)}") from exc

    def make_logs(self) -> None:
        """Make the folder of logs again where it has gone; the data folder itself is never made again."""
        self.logs.mkdir(mode=0o700, exist_ok=True)

    def require_parts(self) -> None:
        """
        Raises:
            InstanceError: what this folder keeps data in is missing, or is not what it was, or not all there yet.
        """
        if self.restoring.exists():
            raise InstanceError(
                f"the restore of a backup into {self} has not ended: begin it again (`candleray backup restore`), "
                "or remove the folder"
            )
        for part in PARTS:
            self.inventory.require(part)

    def begin_candles(self) -> None:
        """Make the candle store's folder, at the first start alone.

        Raises:
            InstanceError: it was made before, and is gone.
        """
        self.inventory.require("clickhouse")
        self.clickhouse.mkdir(mode=0o700, exist_ok=True)
        self.inventory.note("clickhouse")

    def make_run_dir(self) -> None:
        """Make the run folder where it is not there: whoever stopped the former instance, or tidied /tmp, took it.

        Raises:
            InstanceError: somebody else made one of its name.
        """
        own_folder(self.run_dir, os.geteuid())

    @property
    def probe_socket(self) -> Path:
        """The door of the API that only the supervisor uses."""
        return self.run_dir / "probe.sock"

    def ray_dir(self, boot_id: str) -> Path:
        """Ray's folder of one start: the guard of a former one must not take this one's processes for its own."""
        return self.run_dir / f"ray-{boot_id}"

    @property
    def postgres_sockets(self) -> Path:
        """The sockets' folder, beside the run folder and not in it: as root, another account's."""
        return Path(f"{self.run_dir}-postgres")

    def forget_run_dirs(self) -> None:
        for place in (self.run_dir, self.postgres_sockets):
            shutil.rmtree(place, ignore_errors=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for as long as this process lives: the kernel lets go of it after a kill -9.

        Raises:
            InstanceError: another process holds it.
        """
        with ExitStack() as held:
            for place in self._lockable():
                descriptor = _opened(place, held)
                if not any(_locks(descriptor, fcntl.LOCK_EX) for _ in polls(LOCK_PATIENCE_S)):
                    raise InstanceError(f"the data folder {self} is in use by {self.holder()}")
            yield

    def is_locked(self) -> bool:
        try:
            with ExitStack() as held:
                return not all(_locks(_opened(place, held), fcntl.LOCK_SH) for place in self._lockable())
        except FileNotFoundError:
            return False
        except OSError as exc:
            raise InstanceError(f"the data folder {self} cannot be read: {exc.strerror}{_remedy(exc)}") from exc

    def holder(self) -> str:
        found = (opened_by(place) for place in (self.path, self.lock_file))
        return describe(next(filter(None, found), None))

    def _lockable(self) -> tuple[Path, ...]:
        return (self.path, self.lock_file) if self.lock_file.exists() else (self.path,)

    def require_free_candles(self) -> None:
        """The engine's own words for a second owner are "Error initializing EmbeddedServer: .".

        Raises:
            InstanceError: another process has the candle store's path open.
        """
        status = self.clickhouse / "status"
        if not status.exists():
            return
        with status.open() as file:
            if not any(_locks(file.fileno(), fcntl.LOCK_SH) for _ in polls(LOCK_PATIENCE_S)):
                owner = describe(opened_by(status))
                raise InstanceError(f"the candle store in {self.clickhouse} is open in {owner}")


def make_folder(path: Path, mode: int) -> None:
    """Make a folder, and those above it, with these permissions whatever the umask; those that are there stay."""
    for folder in reversed([path, *path.parents]):
        if not folder.exists():
            folder.mkdir(mode=mode, exist_ok=True)
            folder.chmod(mode)
    path.mkdir(exist_ok=True)


def own_folder(path: Path, uid: int) -> None:
    """Make a folder that nobody but `uid` can look into.

    Raises:
        InstanceError: somebody else made one of that name in a place open to all.
    """
    try:
        path.mkdir(mode=0o700)
        os.chown(path, uid, -1)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & 0o077:
            raise InstanceError(f"{path} is not a private folder of user {uid}: somebody else made it") from None


def _remedy(error: OSError) -> str:
    """Words for whoever may not have a folder there: a home that is not theirs, or not there at all."""
    if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT):
        return ""
    return f" (as user {os.geteuid()}): name one of yours by --data or CANDLERAY_DATA_DIR"


def _opened(place: Path, until: ExitStack) -> int:
    descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    until.callback(os.close, descriptor)
    return descriptor


def _locks(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as exc:
        raise InstanceError(
            f"the disk of the data folder cannot lock folders ({exc.strerror}): choose a folder on a local disk"
        ) from exc
    return True
