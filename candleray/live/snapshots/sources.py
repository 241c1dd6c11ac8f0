"""The name of the code that snapshots are made by: another one reads none of them."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

from kernels import ENGINE_VERSION

_ROOT = Path(__file__).resolve().parents[3]
_ROOMS = ("kernels", "candleray/backtests", "candleray/live", "candleray/search")
"""The rooms in which a bar becomes an event."""
_LIBRARIES = ("llvmlite", "numba", "numpy")


@cache
def code_name() -> str:
    """The version of the engine, with a digest of every source and library that a run's next bar goes through.

    What a run keeps of its past has no other version: whoever changes it changes one of these.
    """
    digest = hashlib.blake2b(digest_size=16)
    for room in _ROOMS:
        for source in sorted((_ROOT / room).rglob("*.py")):
            digest.update(source.read_bytes())
    for library in _LIBRARIES:
        digest.update(f"{library} {version(library)}".encode())
    return f"{ENGINE_VERSION}-{digest.hexdigest()}"
