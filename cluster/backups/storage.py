"""A folder that keeps backups: files that appear whole or not at all, and are never changed."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from candleray.errors import InstanceError
from candleray.private_files import expanded
from cluster.machine.data_folder import make_folder
from cluster.machine.processes import describe, opened_by

UNFINISHED = ".unfinished"


class FolderStorage:
    """Names are relative paths. What was put is on the disk once `settle` has returned."""

    def __init__(self, path: Path) -> None:
        self.path = expanded(path)
        self._touched: set[Path] = set()

    def __str__(self) -> str:
        return str(self.path)

    def where(self, name: str) -> str:
        """The place of a file, for people."""
        return str(self.path / name)

    def put(self, name: str, content: bytes) -> None:
        """
        Raises:
            InstanceError: the disk is full, or may not be written.
        """
        place = self.path / name
        fresh = place.with_name(f"{place.name}.{os.getpid()}{UNFINISHED}")
        try:
            make_folder(place.parent, 0o700)
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(place)
        except OSError as exc:
            with suppress(OSError):
                fresh.unlink()
            raise _in_words(place, exc) from exc
        self._touched |= {place.parent, place.parent.parent}

    def settle(self) -> None:
        """Have the names of all that was put on the disk too."""
        for folder in self._touched:
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        self._touched.clear()

    def read(self, name: str) -> bytes:
        """
        Raises:
            InstanceError: it is not there, or cannot be read.
        """
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            raise InstanceError(f"{self.where(name)} is missing") from None
        except OSError as exc:
            raise InstanceError(f"{self.where(name)} cannot be read: {exc.strerror}") from exc

    def size(self, name: str) -> int | None:
        """The number of bytes; None where there is no such file."""
        try:
            return (self.path / name).stat().st_size
        except OSError:
            return None

    def names(self, folder: str) -> list[str]:
        """The files below a folder, sorted; those that are unfinished left out."""
        found = (path for path in (self.path / folder).rglob("*") if path.is_file())
        return sorted(str(path.relative_to(self.path)) for path in found if path.suffix != UNFINISHED)

    def remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            (self.path / name).unlink()

    def remove_unfinished(self) -> None:
        """Remove what killed ones have left; the lock is held."""
        for path in list(self.path.rglob(f"*{UNFINISHED}")):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder that goes with the block; what a killed process leaves of it goes with the next backup."""
        path = self.path / f"scratch.{os.getpid()}{UNFINISHED}"
        shutil.rmtree(path, ignore_errors=True)
        try:
            path.mkdir(mode=0o700, parents=True)
            yield path
        except OSError as exc:
            raise _in_words(path, exc) from exc
        finally:
            shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def locked(self, *, alone: bool) -> Iterator[None]:
        """Hold the folder: one process that writes, or any number that read.

        Raises:
            InstanceError: somebody else holds it, or there is no such folder.
        """
        lock = self.path / "lock"
        try:
            if alone:
                make_folder(self.path, 0o700)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT if alone else os.O_RDONLY, 0o600)
        except FileNotFoundError:
            raise InstanceError(f"{self.path} holds no backups: `candleray backup create` makes one") from None
        except OSError as exc:
            raise _in_words(lock, exc) from exc
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise InstanceError(
                f"{self.path} is in use by {describe(opened_by(lock))}: try again when that has ended"
            ) from None
        finally:
            os.close(descriptor)


def _in_words(place: Path, error: OSError) -> InstanceError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return InstanceError(
            f"the disk of {place.parent} is full: make room and begin again; what is there is used then"
        )
    return InstanceError(f"{place} cannot be written: {error.strerror}")
