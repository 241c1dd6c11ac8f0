"""Backups and restores that are killed at any moment: nothing that was there is broken, the next one ends well."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from candleray.settings import ROOT
from cluster.machine.data_folder import DataFolder
from cluster.services.embedded_postgres import EmbeddedPostgres
from tests.support.backups.small_instance import candleray, content, fill

pytestmark = pytest.mark.faults
KILLS = 10


@pytest.fixture
def place() -> Iterator[Path]:
    found = Path(tempfile.mkdtemp(prefix="candleray-backups-", dir="/tmp"))
    found.chmod(0o711)
    yield found
    for name in ("data", "new"):
        EmbeddedPostgres(DataFolder(found / name)).stop()
    shutil.rmtree(found)


def killed(after_s: float, *arguments: object) -> bool:
    """Run a command and kill it after so long; whether it was killed."""
    command = [sys.executable, "-m", "candleray", *map(str, arguments)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    return False


def moments(length_s: float) -> Iterator[float]:
    """Moments spread over a course of that length, drawn within each part."""
    draw = random.Random(7)
    for part in range(KILLS):
        yield length_s * (part + draw.random()) / KILLS


def test_ten_kills_break_neither_backups_nor_restores(place: Path):
    data, backups, new = place / "data", place / "backups", place / "new"
    before = fill(data, minutes=20_000)
    began = time.monotonic()
    assert candleray("backup", "create", backups, "--data", data).returncode == 0
    length_s = time.monotonic() - began
    ended = 0
    for number, after_s in enumerate(moments(length_s)):
        fill(data, users=number, minutes=100, version=2 + number % 5)
        ended += not killed(after_s, "backup", "create", backups, "--data", data)
        assert candleray("backup", "verify", backups).returncode == 0
    before = content(data)
    done = candleray("backup", "create", backups, "--data", data, "--keep-last", "1")
    assert done.returncode == 0, done.stderr
    assert not list(backups.rglob("*.unfinished"))
    began = time.monotonic()
    assert candleray("backup", "restore", backups, "--data", place / "timed").returncode == 0
    length_s = time.monotonic() - began
    for after_s in moments(length_s):
        if not killed(after_s, "backup", "restore", backups, "--data", new):
            shutil.rmtree(new)
        elif any((new / part).exists() for part in ("postgres", "clickhouse")):
            refused = candleray("up", "--data", new)
            assert "has not ended" in refused.stdout + refused.stderr
    done = candleray("backup", "restore", backups, "--data", new)
    assert done.returncode == 0, done.stderr
    assert content(new) == before
    print(f"\n{KILLS} kills of a backup ({ended} had ended before), {KILLS} of a restore: nothing broken")
