"""The folders of compiled code: one for exactly these sources, and those of others while somebody uses them.

A folder's time of change says when a process last began to use it. Removing one of a process that still runs costs
it nothing but compiling anew: numba makes the folder again before it writes, and a file that has gone is one that
never was.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

_DIGEST_LENGTH = 16
_OURS = re.compile(rf"[0-9a-f]{{{_DIGEST_LENGTH}}}(\.removed)?")
_DAY_S = 86_400
_UNUSED_DAYS = 30
_LONGEST_COMPILATION_S = 120.0
_LOOK_S = 0.05
_KEPT = 8  # of those unused for a day: 10 to 70 MB each, and a day's work on the sources leaves dozens


def base_folder() -> Path:
    """`$NUMBA_CACHE_DIR`, or in the user's cache folder."""
    try:
        user_cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:  # an account without a home folder
        user_cache = tempfile.mkdtemp(prefix="candleray-numba-")
    return Path(os.environ.get("NUMBA_CACHE_DIR") or Path(user_cache) / "candleray" / "numba")


def open_folder(sources: Path, base: Path) -> Path:
    """The folder for the Python files under `sources`, made if need be; a temporary one if it cannot be written.

    Numba looks for changes in the file of a function alone, not in the files of the functions it calls, and would
    go on running an old callee; so the folder's name is a digest of every source.
    """
    digest = hashlib.sha256()
    for source in sorted(sources.rglob("*.py")):
        digest.update(source.read_bytes())
    folder = base / digest.hexdigest()[:_DIGEST_LENGTH]
    try:
        is_new = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
        os.utime(folder)
    except OSError:
        # Not a fixed name in the shared temporary folder: numba unpickles what it finds in its cache.
        return Path(tempfile.mkdtemp(prefix="candleray-numba-"))
    if is_new:
        prune(base, folder)
    return folder


@contextmanager
def compiling(folder: Path, name: str) -> Iterator[None]:
    """Hold back other processes that are to compile the same, which then find it in the folder.

    A process that takes too long, as one that was suspended, is waited for no longer: compiling twice is no fault.
    """
    known = folder / "compiled" / name
    if known.exists():
        yield
        return
    with ExitStack() as held:
        with suppress(OSError):
            known.parent.mkdir(exist_ok=True)
            _take(held.enter_context(known.with_name(f"{name}.lock").open("w")))
        yield
        with suppress(OSError):
            known.touch()


def _take(lock: IO[str]) -> None:
    """Take the lock, or wait in vain."""
    give_up_at = time.monotonic() + _LONGEST_COMPILATION_S
    while time.monotonic() < give_up_at:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOOK_S)
        else:
            return


def prune(base: Path, own: Path) -> None:
    """Remove folders unused for 30 days, and of those unused for a day all but the eight used last.

    A folder that is not there any more, or may not be removed, is somebody else's business.
    """
    with suppress(OSError):
        others = [folder for folder in base.iterdir() if _OURS.fullmatch(folder.name) and folder != own]
        used = {folder: _used_at(folder) for folder in others}
        newest_first = sorted(others, key=lambda folder: used[folder], reverse=True)
        now = time.time()
        for place, folder in enumerate(newest_first):
            unused_days = (now - used[folder]) / _DAY_S
            if unused_days > _UNUSED_DAYS or (unused_days > 1 and place >= _KEPT):
                _remove(folder)


def _used_at(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return time.time()


def _remove(folder: Path) -> None:
    """Rename it first, so that nobody begins with half of it; the next process removes whatever is left."""
    with suppress(OSError):
        aside = folder if folder.suffix else folder.rename(folder.with_suffix(".removed"))
        shutil.rmtree(aside, ignore_errors=True)
