"""Memory for many planes that is written again after they were let go.

Fresh memory costs more than what is written there: its pages are cleared when they are first touched, and the host
of a virtual machine has to find them too. 10,000 planes of a year of minutes took 0.15 to 2.9 s of the kernel's
time with their series, and take 0.06 to 0.15 s where planes were before.
"""

from __future__ import annotations

import math
import mmap
import weakref
from collections import deque
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_BYTES = 32 * 2**20
"""Less comes from the allocator, which has its own ways to keep memory."""

_spare: deque[mmap.mmap] = deque(maxlen=1)
"""Memory that was let go. A deque, because that may be on any thread, and while another search looks here."""


def room_for(shape: tuple[int, ...]) -> NDArray[np.uint64]:
    """Return room for words, with anything in it: memory that was let go, fresh memory if that is too small."""
    n_bytes = math.prod(shape) * np.uint64().nbytes
    if n_bytes < LEAST_BYTES:
        return np.empty(shape, np.uint64)
    return np.asarray(_Region(_spare_memory(n_bytes) or _fresh_memory(n_bytes), shape))


class _Region:
    """The owner of an array's memory: every view of the array keeps it."""

    def __init__(self, memory: mmap.mmap, shape: tuple[int, ...]) -> None:
        address = np.frombuffer(memory, np.uint8).ctypes.data
        self.__array_interface__: dict[str, Any] = {
            "data": (address, False),
            "shape": shape,
            "typestr": np.dtype(np.uint64).str,
            "version": 3,
        }
        weakref.finalize(self, _let_go, memory).atexit = False


def _fresh_memory(n_bytes: int) -> mmap.mmap:
    memory = mmap.mmap(-1, n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    _advise(memory, mmap.MADV_HUGEPAGE)
    return memory


def _spare_memory(n_bytes: int) -> mmap.mmap | None:
    try:
        memory = _spare.pop()
    except IndexError:
        return None
    # What is too small is given back before more is asked for.
    return memory if len(memory) >= n_bytes else None


def _let_go(memory: mmap.mmap) -> None:
    """Keep memory for the next planes; until then the system takes its pages when it has no others."""
    _advise(memory, mmap.MADV_FREE)
    _spare.append(memory)


def _advise(memory: mmap.mmap, advice: int) -> None:
    with suppress(OSError):  # kernels are built without it: then it only costs what it would have saved
        memory.madvise(advice)
