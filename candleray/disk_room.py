"""The room on the disk of a folder: whether what writes there still can."""

from __future__ import annotations

import os
from pathlib import Path

from candleray.errors import InstanceError

MIB = 2**20
LEAST_FREE_BYTES = 32 * MIB
"""Postgres asks for 16 MiB at a time, the candle store merges into new files."""
LEAST_FREE_FILES = 64


def require_room(path: Path) -> None:
    """
    Raises:
        InstanceError: the disk is full, or may not be written.
    """
    if fault := room_fault(path):
        raise InstanceError(fault)


def room_fault(path: Path) -> str:
    """Say what the disk lacks and what to do; nothing where there is room, or no such folder on this machine."""
    try:
        disk = os.statvfs(path)
    except FileNotFoundError:
        return ""
    except OSError as exc:
        return f"the disk of {path} does not answer: {exc.strerror}"
    if disk.f_flag & os.ST_RDONLY:
        return f"the disk of {path} may only be read: mount it for writing"
    free_bytes = disk.f_bavail * disk.f_frsize
    if free_bytes < LEAST_FREE_BYTES:
        return (
            f"the disk of {path} has {free_bytes / MIB:.1f} MiB free of the {LEAST_FREE_BYTES / MIB:.0f} that "
            "writes need: make room, and all goes on by itself"
        )
    if disk.f_files and disk.f_favail < LEAST_FREE_FILES:
        return f"the disk of {path} has {disk.f_favail} inodes left: remove files, and all goes on by itself"
    return ""
