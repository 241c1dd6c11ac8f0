"""Fixtures of the data folder and its lock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.instance import instance_file as instance_module
from cluster.machine import data_folder as data_folder_module
from cluster.machine.data_folder import DataFolder


@pytest.fixture
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let whoever waits for a lock give up soon."""
    monkeypatch.setattr(data_folder_module, "LOCK_PATIENCE_S", 0.2)
    monkeypatch.setattr(instance_module, "LOCK_PATIENCE_S", 0.2)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DataFolder]:
    """A folder that no instance has used yet."""
    made = DataFolder(tmp_path / "data")
    made.prepare()
    made.make_run_dir()
    yield made
    made.forget_run_dirs()
