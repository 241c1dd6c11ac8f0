"""The check before an upgrade: what would change, and what must not begin."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from candleray import cli
from candleray.databases.statements import migrations
from candleray.errors import InstanceError
from candleray.settings import Settings
from cluster.backups.last_backup import FILE, LastBackup
from cluster.machine.data_folder import DataFolder
from cluster.server.upgrade_check import check_upgrade


def checked(folder: DataFolder):
    return check_upgrade(Settings(data_dir=folder.path))


def test_the_migrations_that_a_folder_lacks_are_named(folder: DataFolder):
    newest = migrations("postgres")[-1]
    before = migrations("postgres")[-2].number
    folder.inventory.note_migrations({"postgres": before, "clickhouse": migrations("clickhouse")[-1].number})
    found = checked(folder)
    assert found.migrations == {"postgres": (f"{newest.number:04d} {newest.name}",), "clickhouse": ()}
    assert found.obstacle == ""


def test_a_folder_of_a_newer_version_or_without_a_part_is_an_obstacle(folder: DataFolder):
    folder.inventory.note_migrations({"postgres": 9999})
    told = CliRunner().invoke(cli.app, ["upgrade", "--check", "--data", str(folder.path), "--json"])
    assert told.exit_code == 1
    assert "a newer version of Candleray has written" in json.loads(told.stdout)["obstacle"]


def test_a_backup_is_advised_unless_there_is_a_fresh_one(folder: DataFolder):
    assert any("make a backup first" in line for line in checked(folder).lines())
    note = LastBackup(backup="a", began_at=datetime.now(UTC), place="/mnt", written_bytes=1)
    (folder.path / FILE).write_text(note.model_dump_json())
    assert not any("make a backup first" in line for line in checked(folder).lines())


def test_where_there_is_no_instance_that_is_said(tmp_path):
    with pytest.raises(InstanceError, match="there is no instance in"):
        check_upgrade(Settings(data_dir=tmp_path))
