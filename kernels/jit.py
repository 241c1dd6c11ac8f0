"""The only place with compiler flags, compiled types and the cache of compiled code.

No fast-math anywhere: a reordered sum would make a result depend on the compiler (R4.11). `nogil` lets a thread
compute beside an event loop. Signatures are explicit, with read-only arrays: what comes out of Ray's object store
is read-only, which is another type to numba, and a cache warmed by writable arrays would miss. A read-only
signature takes writable arrays too.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba import types
from numba.extending import intrinsic

Function = TypeVar("Function", bound=Callable[..., Any])

INT = types.int64
FLOAT = types.float64
WORD = types.uint64

FLOATS = types.Array(FLOAT, 1, "C", readonly=True)
INTS = types.Array(INT, 1, "C", readonly=True)
WORDS = types.Array(WORD, 1, "C", readonly=True)
FLOATS_OUT = types.Array(FLOAT, 1, "C")
INTS_OUT = types.Array(INT, 1, "C")
WORDS_OUT = types.Array(WORD, 1, "C")
FLAGS_OUT = types.Array(types.boolean, 1, "C")
TABLE = types.Array(FLOAT, 2, "C", readonly=True)
TABLE_OUT = types.Array(FLOAT, 2, "C")

_FLAGS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "cache": True}


def jit(*arguments: Any) -> Callable[[Function], Function]:
    """Compile for exactly these argument types when the module is imported, or load it from the cache."""

    def compile_function(function: Function) -> Function:
        compiled: Function = numba.njit(tuple(arguments), **_FLAGS)(function)
        return compiled

    return compile_function


def inline(function: Function) -> Function:
    """For small functions that only compiled code calls: typed by their callers, and inlined there by LLVM."""
    compiled: Function = numba.njit(**_FLAGS)(function)
    return compiled


@intrinsic
def fma(_context, left, right, addend):
    """`left · right + addend`, rounded once, for compiled code.

    One instruction of 4 cycles, where a product and a sum take 6: a recursive average waits for nothing else. The
    compiler may not join the two by itself, because that changes the last digit; written down it is the same digit
    on every machine.
    """

    def generate(_target, builder, _signature, arguments):
        return builder.fma(*arguments)

    return FLOAT(FLOAT, FLOAT, FLOAT), generate


def _cache_folder() -> Path:
    """A folder of compiled code for exactly these sources: `$NUMBA_CACHE_DIR`, or the user's cache folder.

    Numba looks for changes in the file of a function alone, not in the files of the functions it calls, and would
    go on running an old callee; so the folder's name is a digest of every source here.
    """
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(source.read_bytes())
    user_cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    base = Path(os.environ.get("NUMBA_CACHE_DIR") or Path(user_cache) / "candleray" / "numba")
    return base / digest.hexdigest()[:16]


def _writable(folder: Path) -> Path:
    # Not a fixed name in the shared temporary folder: numba unpickles what it finds in its cache.
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return Path(tempfile.mkdtemp(prefix="candleray-numba-"))
    return folder


numba.config.CACHE_DIR = str(_writable(_cache_folder()))
