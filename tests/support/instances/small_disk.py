"""A small disk of a test's own, which it fills and frees."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class SmallDisk:
    path: Path

    def fill(self) -> None:
        """Leave not a byte."""
        with (self.path / "ballast").open("ab", buffering=0) as ballast, suppress(OSError):
            while True:
                ballast.write(bytes(4096))

    def free(self) -> None:
        (self.path / "ballast").unlink(missing_ok=True)


@contextmanager
def small_disk(size: str = "1m") -> Iterator[SmallDisk]:
    """A tmpfs of that size; where none may be mounted, the test is skipped and says so."""
    with small_disk_if_any(size) as disk:
        if disk is None:
            pytest.skip("no disk can be mounted here")
        yield disk


@contextmanager
def small_disk_if_any(size: str) -> Iterator[SmallDisk | None]:
    """A tmpfs of that size; none where this user may not mount one."""
    place = Path(tempfile.mkdtemp(prefix="candleray-disk-", dir="/tmp"))
    is_mounted = _mount(place, size)
    try:
        place.chmod(0o711)
        yield SmallDisk(place) if is_mounted else None
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(place)], check=False, capture_output=True)
        with suppress(OSError):
            os.rmdir(place)


def _mount(place: Path, size: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "candleray-test", str(place)]
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False
