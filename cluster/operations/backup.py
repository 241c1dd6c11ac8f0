"""Make backups of an instance, verify them, and restore one into an empty folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from candleray.settings import Settings
    from cluster.backups.manifest import Manifest
    from cluster.backups.repository import Repository

HELP = """Make backups of an instance, verify them, and restore one into an empty folder.

Example: candleray backup create /mnt/backups
"""

Place = Annotated[str, typer.Argument(metavar="FOLDER", help="Folder that keeps the backups, on another disk.")]
BackupId = Annotated[str | None, typer.Argument(metavar="BACKUP", help="Which one; by default the newest.")]
DataDir = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Data folder; by default the settings' data_dir.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Keep = Annotated[
    int | None,
    typer.Option("--keep-last", min=1, help="Remove all but so many backups of this instance afterwards."),
]
WithoutKeys = Annotated[
    bool, typer.Option("--without-keys", help="Restore though the keys of its secrets are not here.")
]

backup = typer.Typer(no_args_is_help=True, help=HELP)


@backup.callback()
def _backup() -> None:
    """Make backups of an instance, verify them, and restore one into an empty folder."""


@backup.command("create")
def create(folder: Place, keep: Keep = None, as_json: AsJson = False, data: DataDir = None) -> None:
    """Make a backup, while the instance runs or not; what has not changed since the last one is not written again.

    Example: candleray backup create /mnt/backups --keep-last 14
    """
    from candleray.terminal.console import output, print_json
    from cluster.backups.creating import make_backup
    from cluster.backups.last_backup import note_backup
    from cluster.backups.sources import open_sources
    from cluster.machine.data_folder import DataFolder

    settings = _settings(data)
    instance = DataFolder(settings.data_path)
    with _repository(folder, alone=True) as repository:
        with open_sources(settings, instance) as sources:
            made = make_backup(repository, sources, instance.inventory)
        removed = repository.forget(made.manifest.instance, keep) if keep else []
    note_backup(instance, made, folder)
    told = {**_told(made.manifest), "written_bytes": made.written_bytes, "removed": removed}
    if as_json:
        print_json(told)
        return
    seconds = (made.manifest.ended_at - made.manifest.began_at).total_seconds()
    output().print(
        f"backup {made.manifest.backup}: {made.manifest.rows:,} rows of candles and Postgres, "
        f"{made.written_bytes / 2**20:,.1f} MiB written in {seconds:.0f} s"
    )
    if removed:
        output().print(f"removed: {', '.join(removed)}")
    if made.manifest.key_versions:
        output().print(
            f"its secrets are sealed by the key-encryption keys {', '.join(made.manifest.key_versions)}, which it "
            "does not hold: keep those elsewhere"
        )


@backup.command("list")
def list_(folder: Place, as_json: AsJson = False) -> None:
    """List the backups in a folder, the oldest first.

    Example: candleray backup list /mnt/backups
    """
    from candleray.errors import InstanceError
    from candleray.terminal.console import output, print_json
    from candleray.terminal.tables import print_table, second_text

    with _repository(folder, alone=False) as repository:
        found: list[tuple[str, Manifest | str]] = []
        for backup_id in repository.ids():
            try:
                found.append((backup_id, repository.manifest(backup_id)))
            except InstanceError as error:
                found.append((backup_id, error.message))
    if as_json:
        print_json(
            [{"backup": one, "damaged": told} if isinstance(told, str) else _told(told) for one, told in found]
        )
        return
    rows = [
        (one, "", "", "", told)
        if isinstance(told, str)
        else (one, second_text(told.began_at), f"{told.rows:,}", told.build, told.instance)
        for one, told in found
    ]
    print_table(
        output(), ("Backup", "Began", "Rows", "Build", "Instance"), rows, text=("Backup", "Build", "Instance")
    )


@backup.command("verify")
def verify(folder: Place, backup_id: BackupId = None, as_json: AsJson = False) -> None:
    """Read all of a backup and hold it against its digests; the exit code is 1 where a file is damaged or missing.

    Example: candleray backup verify /mnt/backups
    """
    from candleray.terminal.console import output, print_json
    from candleray.terminal.exit_codes import ExitCode

    with _repository(folder, alone=False) as repository:
        manifest = repository.manifest(repository.find(backup_id))
        faults = list(repository.faults(manifest))
    if as_json:
        print_json({**_told(manifest), "faults": faults})
    else:
        for fault in faults:
            output().print(fault)
        good = (
            "whole"
            if not faults
            else f"damaged: {len(faults)} files; remove them, and the next backup has them again"
        )
        output().print(f"backup {manifest.backup} is {good}")
    if faults:
        raise typer.Exit(ExitCode.FAILED)


@backup.command("restore")
def restore(
    folder: Place,
    backup_id: BackupId = None,
    without_keys: WithoutKeys = False,
    as_json: AsJson = False,
    data: DataDir = None,
) -> None:
    """Restore a backup into a data folder that holds no instance yet; `candleray up` starts it then.

    Example: candleray backup restore /mnt/backups --data ~/restored
    """
    from candleray.terminal.console import notes, output, print_json
    from cluster.backups.restoring import restore_backup

    settings = _settings(data)
    with _repository(folder, alone=False) as repository:
        manifest = repository.manifest(repository.find(backup_id))
        restore_backup(repository, manifest, settings, lambda said: notes().print(said), without_keys=without_keys)
    if as_json:
        print_json({**_told(manifest), "data_dir": str(settings.data_path)})
        return
    output().print(
        f"restored {manifest.backup} into {settings.data_path}. Runs and jobs go on from where they were as soon "
        "as it is started: see that the former instance is down, then "
        f"`candleray up --detach --data {settings.data_path}`"
    )


def _told(manifest: Manifest) -> dict[str, Any]:
    return {
        "backup": manifest.backup,
        "instance": manifest.instance,
        "began_at": manifest.began_at,
        "ended_at": manifest.ended_at,
        "build": manifest.build,
        "rows": manifest.rows,
        "key_versions": manifest.key_versions,
    }


@contextmanager
def _repository(place: str, *, alone: bool) -> Iterator[Repository]:
    from cluster.backups.repository import Repository
    from cluster.backups.storage import FolderStorage

    storage = FolderStorage(Path(place))
    with storage.locked(alone=alone):
        yield Repository(storage)


def _settings(data: Path | None) -> Settings:
    from candleray.settings import get_settings

    settings = get_settings()
    return settings.model_copy(update={"data_dir": data}) if data else settings
