"""A copy of the sources, to be changed and run as a house of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("kernels", "candleray", "actors", "cluster", "serve_apps", "configs", "docs", "tests")


def copy_house(to: Path) -> Path:
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, to / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", to)
    return to


def run_in(house: Path, *arguments: str) -> str:
    """The output of Python with the modules of this house alone."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(house),
        "NUMBA_CACHE_DIR": str(house / "compiled"),
        "COLUMNS": "200",
    }
    process = subprocess.run(
        [sys.executable, *arguments], cwd=house, env=environment, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout
