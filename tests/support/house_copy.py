"""A copy of the sources, or of some of their folders, to be changed and run as a house of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("kernels", "candleray", "actors", "cluster", "serve_apps", "configs", "docs", "tests")


def copy_house(to: Path, *folders: str) -> Path:
    """Copy the sources, or these folders alone; what is not copied runs from where it lies.

    Kernels that are not copied are compiled already.
    """
    for folder in folders or FOLDERS:
        shutil.copytree(ROOT / folder, to / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", to)
    return to


def change(file: Path, old: str, new: str) -> None:
    """Put new text in place of the old, which stands there once."""
    text = file.read_text()
    assert text.count(old) == 1, f"{file} has {text.count(old)} times {old!r}"
    file.write_text(text.replace(old, new))


def changed_files(house: Path) -> list[str]:
    """The files of a copy that are new or differ from the original, by path."""
    files = (file.relative_to(house) for file in house.rglob("*") if file.is_file())
    sources = (file for file in files if file.parts[0] in FOLDERS and "__pycache__" not in file.parts)
    return sorted(str(file) for file in sources if not _is_original(house, file))


def _is_original(house: Path, file: Path) -> bool:
    return (ROOT / file).exists() and (ROOT / file).read_bytes() == (house / file).read_bytes()


def run_in(house: Path, *arguments: str) -> str:
    """The output of Python with the modules of this house, before those of the original."""
    compiled = {"NUMBA_CACHE_DIR": str(house / "compiled")} if (house / "kernels").exists() else {}
    environment = {**os.environ, "PYTHONPATH": f"{house}{os.pathsep}{ROOT}", "COLUMNS": "200", **compiled}
    process = subprocess.run(
        [sys.executable, *arguments], cwd=house, env=environment, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout
