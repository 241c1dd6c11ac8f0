"""The check before an upgrade: which migrations a data folder lacks, and what stands in their way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from candleray.build import own_build
from candleray.databases.statements import migrations
from candleray.errors import InstanceError
from candleray.frozen_model import FrozenModel
from candleray.settings import Settings
from cluster.backups.last_backup import last_backup
from cluster.instance.instance_file import running_instance
from cluster.machine.data_folder import DataFolder

FRESH = timedelta(days=1)


class UpgradeCheck(FrozenModel):
    data_dir: str
    build: str
    """This version."""
    running_build: str | None
    """The version of the instance that runs; `null` for none."""
    migrations: dict[str, tuple[str, ...]]
    """Migrations that would be made, by database."""
    obstacle: str
    """A reason for which the upgrade may not begin; empty where there is none."""
    advice: tuple[str, ...]
    """Steps before it begins."""

    def lines(self) -> Iterator[str]:
        """Say it in words."""
        yield f"{self.data_dir}: to {self.build}" + (f", runs {self.running_build}" if self.running_build else "")
        if self.obstacle:
            yield self.obstacle
            return
        for database, names in self.migrations.items():
            yield f"{database}: {', '.join(names) if names else 'up to date'}"
        yield from self.advice


def check_upgrade(settings: Settings) -> UpgradeCheck:
    """
    Raises:
        InstanceError: there is no instance in the folder.
    """
    folder = DataFolder(settings.data_path)
    seen = folder.inventory.record().migrations
    running = running_instance(folder)
    known = {name: migrations(name) for name in ("postgres", "clickhouse")}
    return UpgradeCheck(
        data_dir=str(folder.path),
        build=own_build(),
        running_build=running.build if running else None,
        migrations={
            name: tuple(f"{one.number:04d} {one.name}" for one in every if one.number > seen.get(name, 0))
            for name, every in known.items()
        },
        obstacle=_obstacle(folder, {name: every[-1].number for name, every in known.items()}),
        advice=tuple(_advice(folder, is_running=running is not None)),
    )


def _obstacle(folder: DataFolder, newest: dict[str, int]) -> str:
    try:
        folder.inventory.require_migrations(newest)
        folder.require_parts()
    except InstanceError as error:
        return error.message
    return ""


def _advice(folder: DataFolder, *, is_running: bool) -> Iterator[str]:
    last = last_backup(folder)
    if last is None or datetime.now(UTC) - last.began_at > FRESH:
        yield "make a backup first, there is no way back without one: candleray backup create FOLDER"
    if is_running:
        yield f"then: candleray down --data {folder}; candleray up --detach --data {folder}"
    else:
        yield f"then: candleray up --detach --data {folder}"
