"""Limits of this machine that an instance meets, looked at before it starts: raised where possible, else said."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Iterator

FEWEST_OPEN_FILES = 4096
"""A bound with room above the usual 1,024: each connection, worker and part of a table takes one or more."""
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - the kernel's


def raise_open_files() -> int:
    """Raise the limit of open files to the most that this account may have; what is started inherits it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def warnings(object_store_bytes: int) -> Iterator[str]:
    """Say what of this machine is too small, with the remedy."""
    files = raise_open_files()
    if files != resource.RLIM_INFINITY and files < FEWEST_OPEN_FILES:
        yield (
            f"a process may open {files:,} files here, fewer than the {FEWEST_OPEN_FILES:,} that a busy instance "
            f"needs: raise the limit (`ulimit -Hn {4 * FEWEST_OPEN_FILES}`, or LimitNOFILE= of the service)"
        )
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
