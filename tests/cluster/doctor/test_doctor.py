"""The doctor finds what was planted, each with a remedy, and nothing where all is well."""

from __future__ import annotations

import json
import os
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from candleray import cli
from candleray.settings import Settings
from cluster.backups.last_backup import FILE as LAST_BACKUP
from cluster.backups.last_backup import LastBackup
from cluster.doctor import examination, folder_checks, machine_checks, service_checks
from cluster.doctor.finding import Check, Finding, Level, Patient, found_by, good
from cluster.machine.data_folder import DataFolder


@pytest.fixture
def patient(folder: DataFolder) -> Patient:
    return Patient(Settings(data_dir=folder.path), folder, None)


def changed(patient: Patient, **sections: dict[str, object]) -> Patient:
    """The patient with other settings."""
    settings = patient.settings
    update = {name: getattr(settings, name).model_copy(update=values) for name, values in sections.items()}
    return patient._replace(settings=settings.model_copy(update=update))


def the_fault(check: Check, patient: Patient, level: Level = Level.FAULT) -> Finding:
    """The one finding that is not good; it says what to do."""
    (found,) = [one for one in found_by("it", check, patient) if one.level is not Level.GOOD]
    assert (found.level, bool(found.said), bool(found.remedy)) == (level, True, True), found
    return found


@pytest.fixture
def listener() -> Iterator[int]:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def test_a_port_that_is_taken(patient: Patient, listener: int):
    found = the_fault(machine_checks.ports, changed(patient, api={"port": listener}, compute={"dashboard": False}))
    assert f"port {listener} is in use by process {os.getpid()}" in found.said
    assert "choose another with --port" in found.remedy


def test_too_few_open_files(patient: Patient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(resource, "getrlimit", lambda which: (256, 256))
    found = found_by("limits", machine_checks.limits, patient)
    assert any("may open 256 files here" in one.said and "LimitNOFILE" in one.remedy for one in found)


def test_too_little_shared_memory(patient: Patient):
    found = found_by("limits", machine_checks.limits, changed(patient, compute={"object_store_bytes": 10**15}))
    assert any("/dev/shm has" in one.said and "--shm-size" in one.remedy for one in found)


def test_a_clock_that_went_back(patient: Patient):
    assert "clock" in {one.about for one in found_by("clock", machine_checks.clock, patient)}
    later = time.time() + 5000
    os.utime(patient.folder.path / "inventory.json", (later, later))
    found = the_fault(machine_checks.clock, patient)
    assert "s after what is now by this machine's clock" in found.said


def test_a_full_disk(patient: Patient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("candleray.disk_room.LEAST_FREE_BYTES", 2**60)
    assert "MiB free of the" in the_fault(machine_checks.disk, patient).said


def test_a_newer_version_has_written_the_folder(patient: Patient):
    patient.folder.inventory.note_migrations({"postgres": 9999})
    assert "a newer version of Candleray has written" in the_fault(folder_checks.version, patient).said


def test_a_part_that_is_gone(patient: Patient):
    (patient.folder.path / "postgres").mkdir()
    patient.folder.inventory.note("postgres")
    assert [one.level for one in found_by("parts", folder_checks.parts, patient)] == [Level.GOOD]
    (patient.folder.path / "postgres").rename(patient.folder.path / "elsewhere")
    found = the_fault(folder_checks.parts, patient)
    assert "is missing" in found.said
    assert "put it back where it was" in found.remedy


def test_a_restore_that_has_not_ended(patient: Patient):
    patient.folder.restoring.touch()
    assert "has not ended" in the_fault(folder_checks.parts, patient).said


def test_a_secret_that_others_can_read_or_that_is_none(patient: Patient):
    keys = patient.folder.path / "key_encryption_keys"
    keys.write_text("1:bm90IHRoaXJ0eS10d28=")
    keys.chmod(0o644)
    assert "chmod 600" in the_fault(folder_checks.secrets, patient).remedy
    keys.chmod(0o600)
    assert "each version once" in the_fault(folder_checks.secrets, patient).said


def test_production_without_its_secrets(patient: Patient):
    in_prod = patient._replace(settings=patient.settings.model_copy(update={"environment": "prod"}))
    found = found_by("secrets", folder_checks.secrets, in_prod)
    assert {one.remedy for one in found} == {
        "set CANDLERAY_IDENTITY__BOT_TOKEN",
        "set CANDLERAY_IDENTITY__KEY_ENCRYPTION_KEYS",
    }


def test_a_folder_that_others_may_look_into(patient: Patient):
    patient.folder.path.chmod(0o755)
    assert "chmod go-rw" in the_fault(folder_checks.permissions, patient, Level.WARNING).remedy


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else(patient: Patient):
    os.chown(patient.folder.path, 65534, -1)
    assert "belongs to user 65534" in the_fault(folder_checks.permissions, patient).said


def test_a_service_that_does_not_answer(patient: Patient):
    nowhere = {
        "postgres_url": SecretStr("postgresql://user:hidden-password@127.0.0.1:9/db"),
        "redis_url": SecretStr("redis://127.0.0.1:9/0"),
        "clickhouse_url": SecretStr("http://127.0.0.1:9/db"),
    }
    away = changed(patient, services=nowhere)
    for check, setting in (
        (service_checks.postgres, "postgres_url"),
        (service_checks.valkey, "redis_url"),
        (service_checks.clickhouse, "clickhouse_url"),
    ):
        found = the_fault(check, away)
        assert found.said == f"services.{setting}"
        assert "nothing answers at 127.0.0.1:9" in found.remedy
        assert "hidden-password" not in found.said + found.remedy


def test_a_cluster_that_cannot_reach_what_is_embedded(patient: Patient):
    found = the_fault(service_checks.ray, changed(patient, services={"ray_address": "192.0.2.77:6379"}))
    assert "set services.clickhouse_url" in found.remedy


def test_an_exchange_that_cannot_be_reached(patient: Patient):
    urls = dict.fromkeys(("binance-spot", "binance-futures", "bybit-spot", "bybit-futures"), "http://127.0.0.1:9")
    found = the_fault(service_checks.exchanges, changed(patient, history={"base_urls": urls}), Level.WARNING)
    assert "http://127.0.0.1:9 does not answer" in found.said


def test_a_backup_that_is_old_or_was_never_made(patient: Patient):
    assert "there is none" in the_fault(folder_checks.backups, patient, Level.WARNING).said
    for days, level in ((1, Level.GOOD), (3, Level.WARNING)):
        began_at = datetime.now(UTC) - timedelta(days=days)
        note = LastBackup(backup="a", began_at=began_at, place="/mnt", written_bytes=1)
        (patient.folder.path / LAST_BACKUP).write_text(note.model_dump_json())
        assert [one.level for one in folder_checks.backups(patient)] == [level]


def test_a_check_that_breaks_stops_no_other_one(patient: Patient):
    def broken(patient: Patient) -> Iterator[Finding]:
        yield good("it", "fine so far")
        raise ZeroDivisionError

    (found,) = found_by("it", broken, patient)
    assert (found.level, "could not be looked at" in found.said) == (Level.WARNING, True)


def test_the_command_tells_every_check_and_fails_where_there_is_a_fault(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delitem(examination.CHECKS, "exchanges")
    told = CliRunner().invoke(cli.app, ["doctor", "--data", str(folder.path), "--json"])
    found = json.loads(told.stdout)
    assert {one["about"] for one in found} == set(examination.CHECKS)
    assert told.exit_code == (1 if any(one["level"] == "fault" for one in found) else 0)
    folder.restoring.touch()
    text = CliRunner().invoke(cli.app, ["doctor", "--data", str(folder.path)])
    assert text.exit_code == 1
    assert "fault    parts" in text.stdout


def test_looking_changes_nothing(folder: DataFolder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(examination.CHECKS, "exchanges")
    before = sorted(Path(folder.path).rglob("*"))
    examination.examine(Settings(data_dir=folder.path))
    assert sorted(Path(folder.path).rglob("*")) == before
