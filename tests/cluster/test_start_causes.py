"""Causes that keep an instance from starting are named at once, with the remedy; what may be lost is none."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from candleray.disk_room import require_room, room_fault
from candleray.errors import InstanceError, ServiceUnavailable
from candleray.inventory import Inventory
from candleray.settings import Settings
from cluster.instance import api_deployment
from cluster.instance.supervisor import Supervisor
from cluster.machine.data_folder import DataFolder
from cluster.services.embedded_service import EmbeddedService
from cluster.services.embedded_valkey import APPENDED, EmbeddedValkey
from tests.support.instances.small_disk import small_disk


@pytest.fixture
def folder() -> Iterator[DataFolder]:
    place = Path(tempfile.mkdtemp(prefix="candleray-test-", dir="/tmp"))
    made = DataFolder(place / "data")
    made.prepare()
    made.make_run_dir()
    yield made
    EmbeddedValkey(made).stop()
    made.forget_run_dirs()
    shutil.rmtree(place)


def supervisor_of(folder: DataFolder) -> Supervisor:
    return Supervisor(Settings(data_dir=folder.path), "app", lambda event: None)


def test_a_full_disk_is_named_before_anything_starts() -> None:
    with small_disk("48m") as disk:
        folder = DataFolder(disk.path / "data")
        folder.prepare()
        require_room(folder.path)
        disk.fill()
        with (
            pytest.raises(InstanceError, match=rf"disk of {folder} has 0.0 MiB free of the 32 .*: make room"),
            supervisor_of(folder)._data_folder(),
        ):
            pass
        disk.free()
        assert room_fault(folder.path) == ""


def test_a_disk_without_room_for_the_folder_itself_is_named() -> None:
    with small_disk() as disk:
        disk.fill()
        with pytest.raises(InstanceError, match="cannot be written: No space left on device"):
            DataFolder(disk.path / "data").prepare()


def test_room_is_asked_for_before_writes_are_refused_and_nowhere_else(tmp_path: Path) -> None:
    with small_disk("20m") as disk:
        assert "make room" in room_fault(disk.path)
    assert room_fault(tmp_path / "on another machine") == ""


def test_data_that_a_newer_version_has_written_are_refused_before_anything_starts(folder: DataFolder) -> None:
    supervisor = supervisor_of(folder)
    known = supervisor._migrations()
    assert known.keys() == {"postgres", "clickhouse"}
    folder.inventory.require_migrations(known)
    Inventory(folder.path).note_migrations(known)
    folder.inventory.require_migrations(known)
    Inventory(folder.path).note_migrations({"postgres": known["postgres"] + 2})
    with (
        pytest.raises(
            InstanceError,
            match=rf"a newer version of Candleray has written {folder}: its postgres has migration "
            rf"{known['postgres'] + 2}, this version knows {known['postgres']}\. Use the newer version, or",
        ),
        supervisor._data_folder(),
    ):
        pass


def test_an_api_that_is_not_ready_says_its_reasons_as_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    problems = [{"field": "postgres", "code": "down", "message": "the database has migration 9, unknown here"}]
    monkeypatch.setattr(api_deployment, "READY_TIMEOUT_S", 0.0)
    monkeypatch.setattr(api_deployment, "readiness", lambda url: (503, {"error": {"problems": problems}}))
    with pytest.raises(ServiceUnavailable, match=r"says postgres: the database has migration 9, unknown here$"):
        api_deployment.wait_ready("http://127.0.0.1:8000")


def garbled(folder: Path) -> None:
    log = next(folder.glob("*.incr.aof"))
    log.write_bytes(b"*1\r\n$4\r\nPING\r\n garbage that is no command \r\n" + log.read_bytes())


def without_its_list(folder: Path) -> None:
    next(folder.glob("*.manifest")).write_text("no list\n")


def cut_base(folder: Path) -> None:
    base = next(folder.glob("*.base.rdb"))
    base.write_bytes(base.read_bytes()[:20])


@pytest.mark.parametrize("damage", [garbled, without_its_list, cut_base])
def test_counters_whose_file_is_damaged_begin_at_zero_and_the_file_is_kept(
    folder: DataFolder, damage: Callable[[Path], None]
) -> None:
    service = EmbeddedValkey(folder)
    service.start()
    with redis.Redis.from_url(service.url) as client:
        client.incr("attempts")
    service.stop()
    damage(service.data / APPENDED)
    said = EmbeddedValkey(folder).start()
    aside = next(service.data.glob("damaged-*"))
    assert said == f"started empty: its files were damaged and are kept in {aside}; counters begin at zero"
    assert list(aside.glob("*.aof"))
    with redis.Redis.from_url(service.url) as client:
        assert client.get("attempts") is None
        assert client.incr("attempts") == 1


def test_a_start_that_fails_for_another_reason_throws_no_counters_away(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: EmbeddedService) -> str:
        raise ServiceUnavailable("valkey did not start")

    monkeypatch.setattr(EmbeddedService, "start", full)
    monkeypatch.setattr(EmbeddedValkey, "said", lambda self: "Error reading the manifest: No space left on device")
    with pytest.raises(ServiceUnavailable, match="did not start"):
        EmbeddedValkey(folder).start()
