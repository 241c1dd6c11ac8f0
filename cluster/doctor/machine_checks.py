"""Checks of the machine: memory, files, disks, the clock, ports, the folder of sockets."""

from __future__ import annotations

import ctypes
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from candleray.disk_room import room_fault
from candleray.errors import InstanceError
from cluster.doctor.finding import Finding, Patient, fault, good, warning
from cluster.machine.limits import warnings
from cluster.machine.ports import first_free, require_free

FEW_PARTS_FREE = 0.1
AHEAD_S = 120.0
"""More than two machines' clocks differ by where both are set by the network."""
_TIME_ERROR = 5
"""The kernel's word for a clock that nothing sets."""


def limits(patient: Patient) -> Iterator[Finding]:
    """Open files, memory and shared memory."""
    found = list(warnings(patient.settings.compute.object_store_bytes))
    for said in found:
        what, _, remedy = said.partition(": ")
        yield warning("limits", what, remedy)
    if not found:
        yield good("limits", "open files, memory and shared memory are enough")


def disk(patient: Patient) -> Iterator[Finding]:
    place = _existing(patient.folder.path)
    if said := room_fault(place):
        what, _, remedy = said.partition(": ")
        yield fault("disk", what, remedy)
        return
    usage = shutil.disk_usage(place)
    free = f"the disk of {place} has {usage.free / 2**30:,.1f} GiB free of {usage.total / 2**30:,.1f}"
    if usage.free < FEW_PARTS_FREE * usage.total:
        yield warning("disk", free, "make room before it is full: writes are refused from 32 MiB on")
    else:
        yield good("disk", free)


def clock(patient: Patient) -> Iterator[Finding]:
    """See whether the network sets it, and whether it went back: files of the instance are of later than now."""
    ahead_s = max(_latest(patient.folder.path) - time.time(), 0.0)
    if ahead_s > AHEAD_S:
        yield fault(
            "clock",
            f"files in {patient.folder} were written {ahead_s:,.0f} s after what is now by this machine's clock",
            "set the clock right (`timedatectl set-ntp true`), or wait: minutes that lie ahead are refused",
        )
    elif not is_set_by_network():
        yield warning(
            "clock",
            "nothing sets this machine's clock, as far as the kernel knows",
            "run chrony or systemd-timesyncd: candles and logins go by the clock",
        )
    else:
        yield good("clock", "it is set by the network")


def is_set_by_network() -> bool:
    """Ask the kernel; where that is not allowed, as in some containers, it is believed."""
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(512))
    except (AttributeError, OSError):
        return True
    return bool(state != _TIME_ERROR)


def ports(patient: Patient) -> Iterator[Finding]:
    """See whether an instance that is down could listen where it wants to."""
    api = patient.settings.api
    if patient.running:
        yield good("ports", f"the instance listens at {patient.running.api_url}")
        return
    try:
        require_free(api.host, api.port)
        yield good("ports", f"{api.host}:{api.port} is free")
    except InstanceError as error:
        what, _, remedy = error.message.rpartition(": ")
        yield fault("ports", what or error.message, f"{remedy or 'choose another with --port'}, or end who has it")
    first = patient.settings.compute.dashboard_port
    if patient.settings.compute.dashboard and (free := first_free("127.0.0.1", first)) != first:
        yield warning("ports", f"{first} is taken, the dashboard would be at {free}", "set compute.dashboard_port")


def sockets(patient: Patient) -> Iterator[Finding]:
    """The folder of sockets, which anybody can make before us in a place open to all."""
    for place in (patient.folder.run_dir, patient.folder.postgres_sockets):
        if place.exists() and place == patient.folder.run_dir and place.lstat().st_uid != os.geteuid():
            yield fault("sockets", f"{place} belongs to user {place.lstat().st_uid}", "have its owner remove it")
            return
    parent = patient.folder.run_dir.parent
    if not os.access(parent, os.W_OK | os.X_OK):
        yield fault("sockets", f"{parent} cannot be written by this account", f"`chmod 1777 {parent}`")
        return
    yield good("sockets", f"they can be made in {parent}")


def _existing(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if place.exists())


def _latest(folder: Path) -> float:
    """The time of the newest file that an instance writes all the time, or of none."""
    places = [
        folder,
        folder / "logs",
        folder / "inventory.json",
        folder / "instance.json",
        *folder.glob("logs/*.log"),
    ]
    return max((place.stat().st_mtime for place in places if place.exists()), default=0.0)
