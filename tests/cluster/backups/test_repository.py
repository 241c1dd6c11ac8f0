"""The folder of backups: what is put appears whole, is shared, is named when damaged, and goes when not needed."""

from __future__ import annotations

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from candleray.errors import InstanceError, NotFound
from cluster.backups.manifest import DumpFile, Manifest, read_manifest
from cluster.backups.repository import Repository
from cluster.backups.restoring import require_known
from cluster.backups.storage import FolderStorage


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(FolderStorage(tmp_path / "backups"))


def manifest(backup: str, *pieces: str, instance: str = "one", migration: int = 1) -> Manifest:
    return Manifest(
        backup=backup,
        instance=instance,
        began_at=datetime(2026, 1, 1, tzinfo=UTC),
        ended_at=datetime(2026, 1, 1, tzinfo=UTC),
        build="0.1.0",
        simulated=False,
        postgres_version=18,
        migrations={"postgres": migration},
        key_versions=(),
        dump=(DumpFile(name="1.dat", bytes=1, pieces=pieces),),
        tables=(),
        candles=(),
    )


def files(repository: Repository) -> list[Path]:
    return [path for path in (repository.storage.path).rglob("*") if path.is_file()]


def test_equal_content_is_kept_once_and_only_what_is_new_is_counted(repository: Repository):
    first = repository.put(b"the same")
    assert repository.put(b"the same") == first
    assert (len(files(repository)), repository.written_bytes) == (1, 8)


def test_a_piece_that_was_cut_short_is_written_again(repository: Repository):
    name = repository.put(b"all of it")
    (place,) = files(repository)
    place.write_bytes(b"all")
    with pytest.raises(InstanceError, match=f"{place} is damaged"):
        repository.read(name)
    repository.put(b"all of it")
    assert repository.read(name) == b"all of it"


def test_what_is_kept_is_read_by_its_owner_alone(repository: Repository):
    repository.commit(manifest("a", repository.put(b"piece")))
    path = repository.storage.path
    assert {one.stat().st_mode & 0o077 for one in (path, *path.rglob("*"))} == {0}


def test_a_backup_is_there_once_its_manifest_is(repository: Repository):
    name = repository.put(b"piece")
    assert repository.ids() == []
    repository.commit(manifest("a", name))
    assert repository.ids() == ["a"]
    assert repository.manifest("a").dump[0].pieces == (name,)


def test_a_manifest_of_which_one_byte_differs_is_damaged(repository: Repository):
    sealed = manifest("a").sealed()
    assert read_manifest(sealed, "here") == manifest("a")
    for at in (0, len(sealed) // 2, len(sealed) - 1):
        with pytest.raises(InstanceError, match="here is damaged"):
            read_manifest(sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :], "here")


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", ".."])
def test_no_manifest_leads_out_of_the_folder(name: str):
    with pytest.raises(ValueError, match="pattern"):
        DumpFile(name=name, bytes=1, pieces=())
    with pytest.raises(ValueError, match="pattern"):
        DumpFile(name="1.dat", bytes=1, pieces=(name,))


def test_old_backups_go_with_the_pieces_that_no_other_one_needs(repository: Repository):
    shared, old, others = (repository.put(content) for content in (b"shared", b"old", b"another instance's"))
    repository.put(b"of one that was killed")
    repository.commit(manifest("a", shared, old))
    repository.commit(manifest("b", others, instance="two"))
    repository.commit(manifest("c", shared))
    assert repository.forget("one", keep=1) == ["a"]
    assert repository.ids() == ["b", "c"]
    assert [repository.read(name) for name in (shared, others)] == [b"shared", b"another instance's"]
    assert len(files(repository)) == 4


def test_nothing_is_removed_while_a_manifest_cannot_be_read(repository: Repository):
    repository.commit(manifest("a", repository.put(b"a")))
    repository.commit(manifest("b", repository.put(b"b")))
    (repository.storage.path / "backups" / "a.json").write_bytes(b"")
    before = len(files(repository))
    with pytest.raises(InstanceError, match=r"a\.json is damaged"):
        repository.forget("one", keep=1)
    assert len(files(repository)) == before


def test_the_newest_backup_is_meant_or_the_one_that_begins_so(repository: Repository):
    with pytest.raises(NotFound, match="holds no backup"):
        repository.find(None)
    for backup in ("20260101T000000Z-aaaa", "20260102T000000Z-bbbb"):
        repository.commit(manifest(backup))
    assert repository.find(None) == "20260102T000000Z-bbbb"
    assert repository.find("20260101") == "20260101T000000Z-aaaa"
    with pytest.raises(NotFound, match="2 backups begin with"):
        repository.find("2026")
    with pytest.raises(NotFound, match="no backup '1999'"):
        repository.find("1999")


def test_one_process_writes_and_meanwhile_none_reads(repository: Repository):
    again = FolderStorage(repository.storage.path)
    with repository.storage.locked(alone=True):
        for alone in (True, False):
            with pytest.raises(InstanceError, match="is in use by"), again.locked(alone=alone):
                pass
    with repository.storage.locked(alone=False), again.locked(alone=False):
        pass


def test_a_folder_without_backups_is_said_to_be_one(repository: Repository):
    with pytest.raises(InstanceError, match="holds no backups"), repository.storage.locked(alone=False):
        pass
    assert not repository.storage.path.exists()


def test_a_full_disk_leaves_no_half_of_a_file_and_is_told(repository: Repository, monkeypatch: pytest.MonkeyPatch):
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InstanceError, match="is full: make room and begin again"):
        repository.put(b"too much")
    assert files(repository) == []


def test_what_a_killed_one_has_left_goes_and_is_no_piece(repository: Repository):
    repository.put(b"piece")
    (path,) = files(repository)
    path.with_name(f"{path.name}.1.unfinished").write_bytes(b"half")
    with repository.storage.scratch() as scratch:
        (scratch / "dump").write_bytes(b"half")
        assert len(repository.storage.names("")) == 2
        repository.storage.remove_unfinished()
    assert files(repository) == [path]


def test_a_backup_of_a_newer_version_is_refused_with_what_differs():
    require_known(manifest("a", migration=1))
    with pytest.raises(InstanceError, match="its postgres has migration 9999, this version knows"):
        require_known(manifest("a", migration=9999))
