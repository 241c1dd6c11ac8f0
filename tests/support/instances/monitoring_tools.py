"""Prometheus, blackbox and Alertmanager where they are: installed, or fetched by `make monitoring`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from candleray.settings import ROOT

FETCHED = ROOT / ".monitoring" / "usr" / "bin"


def tool(name: str) -> Path:
    """The program, or the skip of a test that needs it."""
    if found := shutil.which(name, path=str(FETCHED)) or shutil.which(name):
        return Path(found)
    pytest.skip(f"{name} is not here: `make monitoring` fetches it where there is apt")
