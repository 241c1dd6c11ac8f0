"""The supervisor's watch loop: it outlasts whatever a look raises, a full disk and a missing folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from candleray.errors import ServiceUnavailable
from candleray.settings import Settings
from cluster.instance import supervisor as supervisor_module
from cluster.instance.events import Event, unfailing
from cluster.instance.instance_file import read_instance
from cluster.instance.ray_boot import RayBoot
from cluster.instance.status import InstanceStatus, status_table
from cluster.instance.supervisor import Supervisor
from cluster.instance.watch import Watch
from cluster.instance.watched_service import WatchedService
from cluster.machine.data_folder import DataFolder
from cluster.services.embedded_valkey import EmbeddedValkey
from tests.support.hand_clock import HandClock
from tests.support.instances.small_disk import small_disk
from tests.support.waiting import wait_until


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DataFolder]:
    made = DataFolder(tmp_path / "data")
    made.prepare()
    made.make_run_dir()
    yield made
    EmbeddedValkey(made).stop()
    made.forget_run_dirs()


class Looks:
    """Two parts; the first one raises what it is given."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.first = self.second = 0

    def look_first(self) -> None:
        self.first += 1
        if self.error:
            raise self.error

    def look_second(self) -> None:
        self.second += 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device"), "[Errno 28] No space left on device"),
        (ServiceUnavailable("no memory"), "no memory"),
        (MemoryError("all of it"), "MemoryError: all of it"),
        (KeyError("boot"), "KeyError: 'boot'"),
    ],
)
def test_a_look_that_raises_is_counted_told_and_taken_again_after_growing_pauses(
    error: Exception, words: str
) -> None:
    clock, looks, events = HandClock(), Looks(), list[Event]()
    watch = Watch({"first": looks.look_first, "second": looks.look_second}, events.append, clock)
    looks.error = error
    for _ in range(126):  # pauses of 0, 1, 2, 4, 8, 16, 30 s
        watch.look()
        clock.now_s += 0.5
    assert (looks.first, looks.second) == (8, 126)
    assert watch.troubles["first"].count == 8
    assert watch.troubles["first"].reason == words
    assert [event.part for event in events] == ["first"] * 8
    assert events[1].detail == f"is in trouble: {words}; looked after again in 1 s"

    looks.error = None
    clock.now_s += 30
    watch.look()
    assert watch.troubles == {}
    assert events[-1].detail == "is out of trouble after 8 failures"


def test_a_signal_still_ends_the_watch() -> None:
    def signalled() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Watch({"part": signalled}, lambda event: None).look()


def test_a_report_that_cannot_be_written_ends_nobody() -> None:
    tried = []

    def report(event: Event) -> None:
        tried.append(event)
        raise OSError(28, "No space left on device")

    unfailing(report)(Event("noticed", "postgres", "is gone"))
    assert len(tried) == 1


def supervisor_of(folder: DataFolder) -> Supervisor:
    supervisor = Supervisor(Settings(data_dir=folder.path), "app", lambda event: None)
    supervisor.instance = supervisor.instance.model_copy(update={"state": "ready"})
    return supervisor


def test_the_instance_file_is_written_again_where_it_has_gone(folder: DataFolder) -> None:
    supervisor = supervisor_of(folder)
    supervisor._keep_published()
    folder.instance_file.unlink()
    supervisor._keep_published()
    assert read_instance(folder) == supervisor.instance


def test_a_part_that_raises_does_not_end_the_supervisor_and_its_trouble_is_published(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = supervisor_of(folder)
    rounds = iter(range(4))

    def pause(seconds: float) -> None:
        if next(rounds, None) is None:
            raise KeyboardInterrupt

    class Broken:
        name = "postgres"
        restarts = None

        def revive(self) -> str:
            raise RuntimeError("cannot be looked at")

    supervisor.services = [Broken()]  # type: ignore[list-item]
    monkeypatch.setattr(supervisor_module.time, "sleep", pause)
    with pytest.raises(KeyboardInterrupt):
        supervisor._watch()
    told = read_instance(folder)
    assert told
    assert told.troubles["postgres"].reason == "RuntimeError: cannot be looked at"
    shown = shown_of(
        InstanceStatus(ready=False, state="ready", data_dir=folder.path, parts=(), troubles=told.troubles)
    )
    assert "postgres is in trouble since" in shown


def shown_of(status: InstanceStatus) -> str:
    with open(os.devnull, "w") as nowhere:
        shown = Console(width=300, record=True, file=nowhere)
        shown.print(status_table(status))
        return shown.export_text()


def test_a_notice_of_a_service_that_is_up_is_shown(folder: DataFolder) -> None:
    cautions = {"clickhouse": "clickhouse: 1 broken part set aside"}
    status = InstanceStatus(ready=True, state="ready", data_dir=folder.path, parts=(), cautions=cautions)
    assert "clickhouse: 1 broken part set aside" in shown_of(status)


def test_a_service_starts_without_the_folder_of_logs_and_makes_it_again(folder: DataFolder) -> None:
    service = EmbeddedValkey(folder)
    service.start()
    watched = WatchedService(service)
    shutil.rmtree(folder.logs)
    assert service.process
    service.process.kill()
    wait_until(watched.revive, lambda said: said == "had ended, is started again")
    assert service.log.exists()


def test_a_ray_that_is_killed_without_the_folder_of_logs_costs_its_logs_alone(folder: DataFolder) -> None:
    boot = RayBoot(Settings(), folder, "app", lambda event: None)
    logs = boot.ray_dir / "session" / "logs"
    logs.mkdir(parents=True)
    folder.ray_logs.symlink_to(logs)
    shutil.rmtree(folder.logs)
    boot.kill()
    assert not folder.ray_logs.exists()


def test_on_a_full_disk_logs_are_lost_and_the_instance_file_comes_back_with_the_room() -> None:
    with small_disk() as disk:
        folder = DataFolder(disk.path / "data")
        folder.prepare()
        supervisor = supervisor_of(folder)
        boot = RayBoot(Settings(), folder, "app", lambda event: None)
        place = Path(tempfile.mkdtemp(prefix="candleray-test-", dir="/tmp"))
        try:
            (place / "raylet.out").write_bytes(bytes(2_000_000))
            folder.ray_logs.symlink_to(place)
            watch = Watch({"instance": supervisor._keep_published}, lambda event: None)
            disk.fill()
            watch.look()
            assert "No space left" in watch.troubles["instance"].reason
            assert [path.name for path in folder.path.glob("instance*")] == []
            boot.kill()
            assert not folder.ray_logs.exists()
            disk.free()
            wait_until(lambda: (watch.look(), watch.troubles)[1], lambda troubles: troubles == {})
            assert read_instance(folder) is not None
        finally:
            shutil.rmtree(place, ignore_errors=True)
            folder.forget_run_dirs()
