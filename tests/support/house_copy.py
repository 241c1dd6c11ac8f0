"""A copy of the sources, or of some of their folders, to be changed and run as a house of its own."""

from __future__ import annotations

import ast
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from kernels.cache import base_folder, open_folder

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
    compiled: dict[str, str] = {}
    if house != ROOT and (house / "kernels").exists():
        compiled["NUMBA_CACHE_DIR"] = str(house / "compiled")
        if not (house / "compiled").exists():
            take_compiled(house)
    environment = {**os.environ, "PYTHONPATH": f"{house}{os.pathsep}{ROOT}", "COLUMNS": "200", **compiled}
    process = subprocess.run(
        [sys.executable, *arguments], cwd=house, env=environment, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def take_compiled(house: Path) -> None:
    """Give a copy the original's compiled code of kernels that its changes do not reach; it compiles the others.

    Numba keeps code by the folder of its source, and takes it for as long as the source reads the same.
    """
    reached = _reached_by(set(changed_files(house)), house)
    originals = open_folder(ROOT / "kernels", base_folder())
    copies = open_folder(house / "kernels", house / "compiled")
    for source in (ROOT / "kernels").rglob("*.py"):
        if str(source.relative_to(ROOT)) in reached:
            continue
        folder = copies / _numba_folder(house / source.relative_to(ROOT))
        for compiled in (originals / _numba_folder(source)).glob(f"{source.stem}.*"):
            folder.mkdir(exist_ok=True)
            shutil.copy2(compiled, folder)


def _numba_folder(source: Path) -> str:
    return f"{source.parent.name}_{hashlib.sha1(str(source.parent).encode()).hexdigest()}"


def _reached_by(changed: set[str], house: Path) -> set[str]:
    """The files that import a changed one, or one that does."""
    imports = {str(file.relative_to(house)): _imported_by(file) for file in (house / "kernels").rglob("*.py")}
    reached = set(changed)
    while found := {name for name, files in imports.items() if files & reached} - reached:
        reached |= found
    return reached


def _imported_by(source: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {f"{name.replace('.', '/')}.py" for name in names}
