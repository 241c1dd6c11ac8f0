"""Starting an instance from a command: here until it ends, or in the background."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from candleray.disk_room import require_room
from candleray.errors import InstanceError
from candleray.settings import ROOT, Settings
from cluster.instance.environment import settings_environment
from cluster.instance.events import Event, Report, from_pipe
from cluster.instance.instance_file import Instance, read_instance, running_instance, wait_ready
from cluster.instance.supervisor import Supervisor
from cluster.machine.child_environment import inherited
from cluster.machine.data_folder import DataFolder
from cluster.machine.limits import warnings

START_TIMEOUT_S = 300.0


def already_running(
    folder: DataFolder, instance: Instance, port: int | None, *, simulator: bool = False
) -> Instance:
    """The instance that is there, once it is ready.

    Raises:
        InstanceError: another port or simulated exchanges were asked for, or its folder was taken from it.
    """
    if simulator and "simulator" not in instance.cautions:
        raise InstanceError(
            f"the instance in {folder} (process {instance.pid}) asks the real exchanges: give another data folder "
            "for simulated ones"
        )
    if not folder.is_locked():
        raise InstanceError(
            f"the instance of process {instance.pid} runs without its data folder {folder}, which was removed or "
            f"replaced: stop it with `candleray down --data {folder}` first"
        )
    if port not in (None, instance.api_port):
        raise InstanceError(
            f"the instance in {folder} (process {instance.pid}) runs on port {instance.api_port}, not {port}: "
            "stop it with `candleray down`, or give another data folder"
        )
    return wait_ready(folder, START_TIMEOUT_S)


def _look_at_machine(settings: Settings, report: Report) -> None:
    for warning in warnings(settings.compute.object_store_bytes):
        report(Event("noticed", "machine", warning))


def run_here(settings: Settings, app: str, report: Report, ready: Callable[[Instance], None]) -> None:
    """Run the instance in this process until a signal.

    Raises:
        CandlerayError: it does not start.
    """

    def tell(event: Event) -> None:
        report(event)
        if event.kind == "ready":
            ready(supervisor.instance)

    _look_at_machine(settings, report)
    supervisor = Supervisor(settings, app, tell)
    try:
        supervisor.run()
    except InstanceError:
        other = _faster_one(settings, supervisor.folder, os.getpid(), report)
        if other is None:
            raise
        ready(other)


def _faster_one(settings: Settings, folder: DataFolder, own_pid: int, report: Report) -> Instance | None:
    """The instance that another start, made at the same moment, brings up in this folder; once it is ready."""
    with suppress(InstanceError):
        other = running_instance(folder)
        if other and other.pid != own_pid:
            report(Event("noticed", "instance", f"another start was faster: process {other.pid}"))
            return already_running(folder, other, settings.api.port)
    return None


def run_detached(settings: Settings, app: str, report: Report) -> Instance:
    """Start the instance in a session of its own and wait until it is ready.

    Raises:
        InstanceError: it did not start, with its reason.
    """
    _look_at_machine(settings, report)
    folder = DataFolder(settings.data_path)
    folder.prepare()
    require_room(folder.path)
    log = folder.logs / "instance.log"
    reading, writing = os.pipe()
    with os.fdopen(reading) as events, log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "cluster.instance.supervisor", app, str(writing)],
            cwd=ROOT,
            env={**inherited(), **settings_environment(settings), "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=(writing,),
        )
        os.close(writing)
        try:
            _follow(events, report, log)
        except BaseException as error:
            process.send_signal(signal.SIGTERM)
            process.wait()
            other = None
            if isinstance(error, InstanceError):
                other = _faster_one(settings, folder, process.pid, report)
            if other is None:
                raise
            return other
    instance = read_instance(folder)
    if instance is None:
        raise InstanceError(f"the instance ended as soon as it was ready: see {log}")
    return instance


def _follow(events: IO[str], report: Report, log: Path) -> None:
    for event in from_pipe(events):
        report(event)
        if event.kind == "ready":
            return
        if event.kind == "failed":
            raise InstanceError(f"{event.detail} (log: {log})")
    raise InstanceError(f"the instance ended while it started: see {log}")
