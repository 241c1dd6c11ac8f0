"""The inventory of a data folder: what it has begun to keep, so that no missing part passes for a first start.

At the first start it gets an id, which each part's folder bears as well. A part that was begun and is absent,
empty or another instance's is an error; only what was never begun is made.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from candleray.errors import InstanceError
from candleray.private_files import write_private

FILE = "inventory.json"
ID_FILE = "candleray_id"
SIMULATED_FILE = "candleray_simulated"
"""Lies beside the id where the candles are simulated: an inventory that is lost is made again from the parts."""
PARTS = ("clickhouse", "postgres", "valkey")


class Record(BaseModel):
    """The content of the file."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    begun: tuple[str, ...] = ()
    """The parts that hold data."""
    migrations: dict[str, int] = {}
    """The newest one that each database has seen, or was about to."""
    simulated: bool = False
    """Its candles are of simulated exchanges."""


class Inventory:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / FILE
        self._known: Record | None = None

    def begin(self) -> None:
        """Make it where there is none.

        Raises:
            InstanceError: it is damaged.
            OSError: it cannot be written.
        """
        if not self.file.exists():
            self._write(self._record() or Record(id=secrets.token_hex(8)))

    def require(self, part: str) -> None:
        """
        Raises:
            InstanceError: the part was begun and its folder is gone, empty or not the one that was begun.
        """
        record, path = self._record(), self.folder / part
        if record is None or part not in record.begun or _id_in(path) == record.id:
            return
        raise InstanceError(
            f"{path} {_fault(path)}: put it back where it was. To begin anew with what is there now, and lose "
            f'what this instance had kept, take "{part}" out of "begun" in {self.file}'
        )

    def record(self) -> Record:
        """
        Raises:
            InstanceError: there is none: nothing was ever begun in the folder.
        """
        record = self._record()
        if record is None:
            raise InstanceError(f"there is no instance in {self.folder}: name its folder by --data")
        return record

    def is_begun(self, part: str) -> bool:
        record = self._record()
        return record is not None and part in record.begun

    def note(self, part: str) -> None:
        """Note that the part holds data from now on."""
        record = self._record()
        if record is None or part in record.begun:
            return
        (self.folder / part / ID_FILE).write_text(record.id)
        begun = record.model_copy(update={"begun": (*record.begun, part)})
        self._mark(begun)
        self._write(begun)

    def require_origin(self, *, simulated: bool) -> None:
        """Keep simulated candles and real ones apart, and note which are here.

        Raises:
            InstanceError: the folder holds those of the other kind.
        """
        record = self._record()
        if record is None:
            return
        if record.simulated == simulated:
            self._mark(record)
            return
        if record.simulated:
            raise InstanceError(
                f"{self.folder} holds candles of simulated exchanges: start it with --simulator, or give another "
                "data folder for real ones"
            )
        if "clickhouse" in record.begun:
            raise InstanceError(
                f"{self.folder} holds candles that are not simulated: give another data folder for --simulator"
            )
        self._write(record.model_copy(update={"simulated": True}))

    def note_migrations(self, numbers: Mapping[str, int]) -> None:
        """Note which migrations the databases are about to see."""
        record = self._record()
        if record and not numbers.items() <= record.migrations.items():
            self._write(record.model_copy(update={"migrations": record.migrations | dict(numbers)}))

    def require_migrations(self, known: Mapping[str, int]) -> None:
        """
        Raises:
            InstanceError: a newer version has written here, and this one does not know what.
        """
        record = self._record()
        for name, number in known.items():
            seen = record.migrations.get(name, 0) if record else 0
            if seen > number:
                raise InstanceError(
                    f"a newer version of Candleray has written {self.folder}: its {name} has migration {seen}, "
                    f"this version knows {number}. Use the newer version, or a backup from before the upgrade"
                )

    def _mark(self, record: Record) -> None:
        """Have the parts tell that their candles are simulated."""
        for part in record.begun if record.simulated else ():
            if (self.folder / part).is_dir():
                (self.folder / part / SIMULATED_FILE).touch()

    def _record(self) -> Record | None:
        """The file's content; where it has gone, what is known of it, by us or by the ids in the parts."""
        try:
            self._known = Record.model_validate_json(self.file.read_text())
        except (FileNotFoundError, NotADirectoryError):
            ids = {found for part in PARTS if (found := _id_in(self.folder / part))}
            simulated = any((self.folder / part / SIMULATED_FILE).exists() for part in PARTS)
            return self._known or (Record(id=min(ids), begun=PARTS, simulated=simulated) if ids else None)
        except ValueError as exc:
            raise InstanceError(
                f"{self.file} is damaged: restore it, or remove it, and it is made again from what the folders say"
            ) from exc
        return self._known

    def _write(self, record: Record) -> None:
        write_private(self.file, record.model_dump_json(indent=2))
        self._known = record


class Place:
    """A folder as it was when it was opened; moved away or replaced, its path no longer leads to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened = _identity(path)

    def fault(self) -> str:
        """Say what has become of it; nothing where all is well."""
        found = _identity(self.path)
        if found == self._opened:
            return ""
        return f"{self.path} has been replaced by another folder" if found else f"{self.path} has gone"


def _identity(path: Path) -> tuple[int, int] | None:
    """Its device and inode; None where there is nothing."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _id_in(path: Path) -> str | None:
    with suppress(OSError, UnicodeDecodeError):
        return (path / ID_FILE).read_text().strip() or None
    return None


def _fault(path: Path) -> str:
    if not path.exists():
        return "is missing, though this instance keeps data in it"
    if not os.listdir(path):
        return "is empty, though this instance keeps data in it"
    return "is not the folder that this instance keeps data in"
