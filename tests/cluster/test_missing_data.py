"""A part whose data are missing, empty or another instance's is refused in words and never begun anew."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from candleray.errors import InstanceError
from candleray.inventory import ID_FILE, Inventory, Place
from candleray.settings import ROOT, Settings
from cluster.instance.instance_file import known_copy
from cluster.instance.supervisor import Supervisor
from cluster.instance.watched_service import WatchedService
from cluster.machine.data_folder import DataFolder
from cluster.services import embedded_postgres as postgres_module
from cluster.services.embedded_postgres import EmbeddedPostgres
from cluster.services.embedded_service import EmbeddedService
from cluster.services.embedded_valkey import EmbeddedValkey
from tests.support.hand_clock import HandClock

SERVICES = (EmbeddedPostgres, EmbeddedValkey)

MOVED_UNDER_THE_ENGINE = """
import sys
from pathlib import Path
from pydantic import SecretStr
from actors.candle_store import CandleStoreActor
from candleray.errors import ServiceUnavailable
path = Path(sys.argv[1])
actor = CandleStoreActor(SecretStr(f"chdb://{path}"), "ERROR")
actor.ping()
path.rename(path.with_name("moved"))
try:
    actor.ping()
except ServiceUnavailable as error:
    print(error.message, flush=True)
path.with_name("moved").rename(path)
actor.ping()
print("back", flush=True)
path.rename(path.with_name("moved"))
path.mkdir()
actor.ping()
print("never reached")
"""


@pytest.fixture(autouse=True)
def _quick_initdb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_module, "INITDB", (*postgres_module.INITDB, "--no-sync"))


@pytest.fixture
def folder() -> Iterator[DataFolder]:
    """A folder outside pytest's own, which as root no other account could enter."""
    place = Path(tempfile.mkdtemp(prefix="candleray-test-", dir="/tmp"))
    place.chmod(0o711)
    made = DataFolder(place / "data")
    made.prepare()
    made.make_run_dir()
    yield made
    for service in SERVICES:
        service(made).stop()
    made.forget_run_dirs()
    shutil.rmtree(place)


def begun(path: Path) -> Inventory:
    """An inventory with one part, in which something is kept."""
    inventory = Inventory(path)
    inventory.begin()
    (path / "valkey").mkdir()
    (path / "valkey" / "kept").touch()
    inventory.note("valkey")
    return inventory


def emptied(part: Path) -> None:
    shutil.rmtree(part)
    part.mkdir()


def replaced(part: Path) -> None:
    emptied(part)
    (part / "something").touch()


def of_another_instance(part: Path) -> None:
    (part / ID_FILE).write_text("0123456789abcdef")


@pytest.mark.parametrize(
    ("lose", "words"),
    [
        (shutil.rmtree, "is missing"),
        (emptied, "is empty"),
        (replaced, "is not the folder"),
        (of_another_instance, "is not the folder"),
    ],
)
def test_a_part_that_was_begun_and_is_lost_is_refused_until_its_loss_is_said(
    tmp_path: Path, lose: Callable[[Path], None], words: str
) -> None:
    begun(tmp_path).require("valkey")
    lose(tmp_path / "valkey")
    with pytest.raises(
        InstanceError, match=rf"valkey {words}.*: put it back.*take \"valkey\" out of \"begun\" in"
    ):
        Inventory(tmp_path).require("valkey")
    content = json.loads((tmp_path / "inventory.json").read_text())
    (tmp_path / "inventory.json").write_text(json.dumps({**content, "begun": []}))
    Inventory(tmp_path).require("valkey")


def test_without_its_file_the_ids_in_the_parts_say_that_it_is_no_first_start(tmp_path: Path) -> None:
    inventory = begun(tmp_path)
    (tmp_path / "inventory.json").unlink()
    for each in (inventory, Inventory(tmp_path)):
        each.require("valkey")
    with pytest.raises(InstanceError, match="postgres is missing"):
        Inventory(tmp_path).require("postgres")
    shutil.rmtree(tmp_path / "valkey")
    with pytest.raises(InstanceError, match="valkey is missing"):
        inventory.require("valkey")  # it has seen the file


def test_data_of_a_version_without_inventories_are_taken_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "valkey").mkdir()
    inventory = Inventory(tmp_path)
    inventory.begin()
    inventory.require("valkey")
    inventory.note("valkey")
    assert (tmp_path / "valkey" / ID_FILE).read_text() == json.loads(inventory.file.read_text())["id"]


def test_a_damaged_inventory_is_named(tmp_path: Path) -> None:
    begun(tmp_path).file.write_bytes(b"\xff{")
    with pytest.raises(InstanceError, match=r"inventory\.json is damaged: restore it, or remove it"):
        Inventory(tmp_path).require("valkey")


def test_a_folder_that_is_moved_or_replaced_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.mkdir()
    place = Place(path)
    assert place.fault() == ""
    path.rename(tmp_path / "moved")
    assert place.fault() == f"{path} has gone"
    path.mkdir()
    assert place.fault() == f"{path} has been replaced by another folder"


@pytest.mark.parametrize("kind", SERVICES)
def test_a_service_whose_data_move_away_is_stopped_and_starts_when_they_are_back(
    kind: type[EmbeddedService], folder: DataFolder
) -> None:
    clock = HandClock()
    service = kind(folder)
    service.start()
    process, moved = service.process, folder.path / "moved"
    watched = WatchedService(service, clock)
    service.data.rename(moved)
    assert watched.revive() == f"is stopped: {service.data} has gone"
    assert not service.runs()
    assert watched.revive().startswith(f"has ended and does not start: {service.data} is missing")
    assert not service.data.exists()
    with pytest.raises(InstanceError, match="is missing, though this instance keeps data in it"):
        kind(DataFolder(folder.path)).start()
    moved.rename(service.data)
    clock.now_s += 30
    assert watched.revive() == "had ended, is started again"
    assert service.process != process


def test_nothing_begins_in_a_folder_that_was_emptied_under_a_running_instance(folder: DataFolder) -> None:
    service = EmbeddedValkey(folder)
    service.start()
    supervisor = Supervisor(Settings(data_dir=folder.path), "app", lambda event: None)
    supervisor.folder = folder
    supervisor.instance = supervisor.instance.model_copy(update={"state": "ready"})
    supervisor._keep_published()
    watched = WatchedService(service)
    shutil.rmtree(folder.path)
    folder.path.mkdir()
    assert watched.revive() == f"is stopped: {service.data} has gone"
    assert "valkey is missing" in watched.revive()
    with pytest.raises(InstanceError, match=rf"data folder {folder} has been replaced by another folder"):
        supervisor._keep_published()
    assert list(folder.path.iterdir()) == []
    assert known_copy(folder) is not None


def test_the_candle_store_acknowledges_nothing_once_its_folder_has_moved(tmp_path: Path) -> None:
    path = tmp_path / "clickhouse"
    path.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", MOVED_UNDER_THE_ENGINE, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.stdout.splitlines() == [
        f"the candle store's folder {path} has gone: put it back where it was",
        "back",
    ]
    assert done.returncode == 1
