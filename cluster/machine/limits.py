"""Limits of this machine that an instance meets, looked at before it starts: raised where possible, else said."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

FEWEST_OPEN_FILES = 4096
"""A bound with room above the usual 1,024: each connection, worker and part of a table takes one or more."""
IDLE_BYTES = 2_500_000_000
"""Memory of an instance that has nothing to do, beside Ray's shared memory."""
_CGROUPS = Path("/sys/fs/cgroup")
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - the kernel's


def raise_open_files() -> int:
    """Raise the limit of open files to the most that this account may have; what is started inherits it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def memory_limit_bytes(membership: str, cgroups: Path = _CGROUPS) -> int | None:
    """The memory that a process's control groups leave it, the tightest of them all; None where none limits it.

    Args:
        membership: the text of its `/proc/PID/cgroup`.
    """
    limits = []
    for line in membership.splitlines():
        number, controllers, place = line.split(":", 2)
        if number == "0":  # of version 2, whose one tree lies at the root
            root, name = cgroups, "memory.max"
        elif "memory" in controllers.split(","):
            root, name = cgroups / "memory", "memory.limit_in_bytes"
        else:
            continue
        own = root / place.lstrip("/")
        for group in (own, *own.parents):
            with suppress(OSError, ValueError):  # no such file at the root, or "max"
                limits.append(int((group / name).read_text()))
            if group == root:
                break
    return min(limits, default=None)


def _memory_warning(object_store_bytes: int) -> Iterator[str]:
    machine, group = psutil.virtual_memory().total, None
    with suppress(OSError, ValueError):
        group = memory_limit_bytes(Path("/proc/self/cgroup").read_text())
    most, needed = min(machine, group or machine), object_store_bytes + IDLE_BYTES
    if most < needed:
        where = "this machine has" if most == machine else "this container or service may use"
        yield (
            f"{where} {most // 2**20:,} MiB of memory, less than the {IDLE_BYTES // 2**20:,} MiB of an idle "
            f"instance and compute.object_store_bytes ({object_store_bytes // 2**20:,} MiB) together: the kernel "
            "kills parts of it where they need more; give it more (--memory, MemoryMax=), or set less"
        )


def warnings(object_store_bytes: int) -> Iterator[str]:
    """Say what of this machine is too small, with the remedy."""
    files = raise_open_files()
    if files != resource.RLIM_INFINITY and files < FEWEST_OPEN_FILES:
        yield (
            f"a process may open {files:,} files here, fewer than the {FEWEST_OPEN_FILES:,} that a busy instance "
            f"needs: raise the limit (`ulimit -Hn {4 * FEWEST_OPEN_FILES}`, or LimitNOFILE= of the service)"
        )
    yield from _memory_warning(object_store_bytes)
    try:
        free = shutil.disk_usage(_SHARED_MEMORY).free
    except OSError as exc:
        yield f"{_SHARED_MEMORY} cannot be used ({exc.strerror}): Ray keeps its objects on disk, which is slower"
        return
    if free < object_store_bytes:
        yield (
            f"{_SHARED_MEMORY} has {free // 2**20:,} MiB free, less than compute.object_store_bytes "
            f"({object_store_bytes // 2**20:,} MiB): Ray keeps what is more on disk, which is slower; give the "
            "container more (--shm-size), or set less"
        )
