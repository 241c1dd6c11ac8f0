"""The note of the last backup in the data folder, by which an instance tells how old that is."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from pydantic import ValidationError

from candleray.frozen_model import FrozenModel
from candleray.private_files import write_private
from cluster.backups.creating import Made
from cluster.machine.data_folder import DataFolder

FILE = "last_backup.json"


class LastBackup(FrozenModel):
    backup: str
    began_at: datetime
    place: str
    written_bytes: int


def note_backup(folder: DataFolder, made: Made, place: str) -> None:
    """Leave the note; the backup is good without it."""
    manifest = made.manifest
    note = LastBackup(
        backup=manifest.backup, began_at=manifest.began_at, place=place, written_bytes=made.written_bytes
    )
    with suppress(OSError):
        write_private(folder.path / FILE, note.model_dump_json())


def last_backup(folder: DataFolder) -> LastBackup | None:
    """The note; None for an instance without a backup."""
    with suppress(OSError, ValidationError):
        return LastBackup.model_validate_json((folder.path / FILE).read_text())
    return None
