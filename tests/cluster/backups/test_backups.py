"""Backups of real databases: what is restored is what was there."""

from __future__ import annotations

import gzip
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from candleray.cli import app
from tests.support.backups.small_instance import candleray, content, fill

SECRET = "what-no-backup-may-tell-in-clear"


class Backed:
    """An instance with two backups; between them a version of each candle, and two users, were added."""

    def __init__(self, place: Path) -> None:
        self.data, self.backups = place / "data", place / "backups"
        self.first_content = fill(self.data, users=2, secret=SECRET)
        self.first = self.create()
        self.second_content = fill(self.data, users=4, version=2)
        self.second = self.create()

    def create(self) -> dict[str, Any]:
        done = candleray("backup", "create", self.backups, "--data", self.data, "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@pytest.fixture(scope="module")
def backed() -> Iterator[Backed]:
    # As root, the account that Postgres runs under could not enter pytest's own folder.
    place = Path(tempfile.mkdtemp(prefix="candleray-backups-", dir="/tmp"))
    place.chmod(0o711)
    yield Backed(place)
    shutil.rmtree(place)


def said(*arguments: object) -> Result:
    """A command that opens no database, in this process."""
    return CliRunner().invoke(app, ["backup", *map(str, arguments)])


def test_a_restore_that_was_killed_is_not_started_and_begun_anew_it_has_all(backed: Backed):
    place = backed.data.parent / "half"
    shutil.copytree(backed.data, place)  # stands for what a killed one has left
    (place / "restoring").write_text(backed.second["backup"])
    refused = CliRunner().invoke(app, ["up", "--data", str(place)])
    assert refused.exit_code == 1
    assert "the restore of a backup" in refused.output
    done = candleray("backup", "restore", backed.backups, "--data", place)
    assert done.returncode == 0, done.stderr
    assert content(place) == backed.second_content
    assert len(backed.second_content["candles"]["raw_binance_klines_1m"]) == 200
    assert len(backed.second_content["candles"]["canonical_candles_1m FINAL"]) == 200


def test_without_the_keys_of_its_secrets_a_backup_is_refused_unless_that_is_meant(backed: Backed):
    place = backed.data.parent / "without-keys"
    refused = said("restore", backed.backups, backed.first["backup"], "--data", place)
    assert refused.exit_code == 1
    assert "key-encryption keys 1, which no backup holds: put the file key_encryption_keys" in refused.output
    assert not place.exists()
    done = candleray(
        "backup", "restore", backed.backups, backed.first["backup"], "--data", place, "--without-keys"
    )
    assert done.returncode == 0, done.stderr
    assert content(place) == backed.first_content


def test_no_piece_tells_a_secret_or_a_key(backed: Backed):
    key = (backed.data / "key_encryption_keys").read_text().partition(":")[2].strip()
    raw = [path.read_bytes() for path in backed.backups.rglob("*") if path.is_file()]
    texts = [gzip.decompress(one) if one.startswith(b"\x1f\x8b") else one for one in raw]
    assert any(b"wrapped_key" in text for text in texts)
    assert not any(secret.encode() in text for text in texts for secret in (SECRET, key))
    assert backed.second["key_versions"] == ["1"]


def test_an_instance_that_is_there_is_not_written_over(backed: Backed):
    done = said("restore", backed.backups, "--data", backed.data)
    assert done.exit_code == 1
    assert "holds an instance already" in done.output
    assert not (backed.data / "restoring").exists()


def test_what_has_not_changed_is_not_written_again(backed: Backed):
    again = backed.create()
    assert again["written_bytes"] < 20_000
    assert again["rows"] == backed.second["rows"] == 400


def test_a_damaged_file_is_named_and_nothing_is_restored_from_it(backed: Backed, tmp_path: Path):
    copied, new = tmp_path / "backups", tmp_path / "new"
    shutil.copytree(backed.backups, copied)
    assert "is whole" in said("verify", copied, backed.second["backup"]).output
    manifest = json.loads((copied / "backups" / f"{backed.second['backup']}.json").read_text().partition("\n")[2])
    names = [manifest["candles"][0]["piece"], manifest["tables"][0]["piece"], manifest["dump"][0]["pieces"][0]]
    pieces = [copied / "pieces" / name[:2] / name for name in names]
    pieces[0].write_bytes(b"")
    pieces[1].write_bytes(b"else" + pieces[1].read_bytes()[4:])
    pieces[2].unlink()
    told = said("verify", copied, backed.second["backup"])
    assert told.exit_code == 1
    assert all(str(piece) in told.output for piece in pieces)
    refused = said("restore", copied, backed.second["backup"], "--data", new, "--without-keys")
    assert refused.exit_code == 1
    assert "is damaged, nothing was restored" in refused.output
    assert not new.exists()
