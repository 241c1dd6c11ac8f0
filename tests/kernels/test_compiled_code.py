"""The cache of compiled code: one folder for the sources as they are, and old ones are not kept for ever."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from threading import Event, Thread

import numba
import pytest

from kernels import cache
from kernels.cache import open_folder
from kernels.indicators import alma
from kernels.jit import load

ROOT = Path(__file__).resolve().parents[2]
DAY_S = 86_400


def used(base: Path, name: str, days_ago: float) -> Path:
    """A folder of compiled code that a process last began to use so long ago."""
    folder = base / name
    (folder / "indicators_0").mkdir(parents=True)
    (folder / "indicators_0" / "rsi.kernel.nbi").write_bytes(b"compiled")
    os.utime(folder, (time.time() - days_ago * DAY_S,) * 2)
    return folder


def digest(number: int) -> str:
    return f"{number:016x}"


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "kernels"
    folder.mkdir()
    (folder / "rsi.py").write_text("window = 14\n")
    return folder


def test_a_new_folder_removes_those_unused_for_thirty_days(sources: Path, tmp_path: Path):
    base = tmp_path / "numba"
    old, recent = used(base, digest(1), 31), used(base, digest(2), 29)
    own = open_folder(sources, base)
    assert set(base.iterdir()) == {own, recent}
    assert not old.exists()


def test_of_those_unused_for_a_day_the_eight_used_last_are_kept(sources: Path, tmp_path: Path):
    base = tmp_path / "numba"
    folders = [used(base, digest(number), 2 + number) for number in range(12)]
    own = open_folder(sources, base)
    assert set(base.iterdir()) == {own, *folders[:8]}


def test_however_many_were_used_within_a_day_they_are_kept(sources: Path, tmp_path: Path):
    base = tmp_path / "numba"
    folders = [used(base, digest(number), 0.9) for number in range(12)]
    own = open_folder(sources, base)
    assert set(base.iterdir()) == {own, *folders}


def test_beginning_to_use_a_folder_keeps_it_and_removes_none(sources: Path, tmp_path: Path):
    base = tmp_path / "numba"
    own = open_folder(sources, base)
    os.utime(own, (0, 0))
    old = used(base, digest(1), 31)
    assert open_folder(sources, base) == own
    assert time.time() - own.stat().st_mtime < 60
    assert old.exists()


def test_what_is_not_ours_stays(sources: Path, tmp_path: Path):
    base = tmp_path / "numba"
    theirs = used(base, "somebody_elses_cache", 400)
    open_folder(sources, base)
    assert theirs.exists()


def test_what_a_killed_process_left_half_removed_goes(sources: Path, tmp_path: Path):
    base = tmp_path / "numba"
    half = used(base, f"{digest(1)}.removed", 31)
    open_folder(sources, base)
    assert not half.exists()


def test_what_cannot_be_removed_stops_nobody(sources: Path, tmp_path: Path):
    base = tmp_path / "numba"
    used(base, digest(1), 31)
    used(base, f"{digest(1)}.removed", 0)  # its name when set aside is taken
    assert open_folder(sources, base).is_dir()


def test_two_that_begin_at_once_remove_the_same_ones_in_peace(tmp_path: Path):
    base = tmp_path / "numba"
    for number in range(40):
        used(base, digest(number), 31)
    code = (
        "import sys; from pathlib import Path; from kernels.cache import open_folder;"
        "print(open_folder(Path(sys.argv[1]), Path(sys.argv[2])))"
    )
    began = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rsi.py").write_text(name)
        command = [sys.executable, "-c", code, str(tmp_path / name), str(base)]
        began.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True))
    folders = {Path(process.communicate()[0].strip()) for process in began}
    assert [process.returncode for process in began] == [0, 0]
    assert set(base.iterdir()) == folders


def test_a_process_whose_folder_was_removed_goes_on_compiling(tmp_path: Path):
    code = (
        "import shutil, numba, kernels.jit, kernels.rules.sign_of_output as rule, kernels.indicators.tr as tr;"
        "kernels.jit.load(rule); shutil.rmtree(numba.config.CACHE_DIR); kernels.jit.load(tr);"
        "print(numba.config.CACHE_DIR)"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert list(Path(process.stdout.strip()).rglob("tr.kernel*.nbi"))


def test_compiled_code_is_cached_outside_the_sources(tmp_path: Path):
    code = (
        "import numpy, numba, kernels.jit, kernels.rules.sign_of_output as rule; kernels.jit.load(rule);"
        "print(numba.config.CACHE_DIR)"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    folder = Path(process.stdout.strip())
    assert folder.parent == tmp_path
    assert list(folder.rglob("*.nbi"))
    assert list((folder / "compiled").glob("kernels.rules.sign_of_output.*")), "others were held back meanwhile"


def test_no_kernel_brings_along_what_says_in_words_that_two_shapes_differ():
    # Numba compiles that, for three seconds, where an array is assigned to a slice. `kernels.copying` does not.
    load(alma)
    compiled = [file for file in Path(numba.config.CACHE_DIR).rglob("*.nbc") if not file.name.startswith("test_")]
    assert any("alma" in file.name for file in compiled)
    assert [file.name for file in compiled if b"raise_with_shape_context" in file.read_bytes()] == []


def test_a_cache_that_cannot_be_written_does_not_stop_anyone(tmp_path: Path):
    (tmp_path / "file").write_text("")
    code = "import kernels.jit, numba; print(numba.config.CACHE_DIR)"
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "file")}
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert "candleray-numba-" in process.stdout


def test_who_needs_what_another_compiles_waits_and_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    told, waits = list[str](), Event()
    monkeypatch.setattr(cache.time, "sleep", lambda seconds: waits.set())

    def need() -> None:
        with cache.compiling(tmp_path, "kernel"):
            told.append("found")

    with cache.compiling(tmp_path, "kernel"):
        other = Thread(target=need)
        other.start()
        assert waits.wait(60)
        told.append("compiled")
    other.join()
    assert told == ["compiled", "found"]


@pytest.mark.parametrize("longest_s", [0.0, 120.0])
def test_what_is_compiled_is_waited_for_no_more_and_what_takes_too_long_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, longest_s: float
):
    monkeypatch.setattr(cache, "_LONGEST_COMPILATION_S", longest_s)
    monkeypatch.setattr(cache.time, "sleep", lambda seconds: pytest.fail("it waits"))
    with cache.compiling(tmp_path, "kernel"):
        if longest_s:
            (tmp_path / "compiled" / "kernel").touch()
        with cache.compiling(tmp_path, "kernel"):
            pass
