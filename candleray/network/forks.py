"""Sockets know their process: two that share one read each other's answers."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar
from weakref import WeakSet

from candleray.errors import InstanceError

T = TypeVar("T")


class PerProcess(Generic[T]):
    """Something that holds sockets: made when first used, and anew in a process that was forked since.

    There the parent's is neither used nor closed: to close TLS would end it for the parent.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: T | None = None
        self._lock = threading.Lock()
        _living.add(self)

    def get(self) -> T:
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made

    def made(self) -> T | None:
        """The one of this process, where it has been used."""
        return self._made

    def leave_to_parent(self) -> None:
        _kept.append(self._made)
        self._made = None
        self._lock = threading.Lock()  # the parent's may have been held by a thread that is not here


def require_own(pid: int, what: str) -> None:
    """
    Raises:
        InstanceError: it was opened in another process, from which this one was forked.
    """
    if pid != os.getpid():
        raise InstanceError(f"{what} was opened in process {pid}, of which this is a fork: open one here")


_living: WeakSet[PerProcess[Any]] = WeakSet()
_kept: list[Any] = []
"""Held in the child for ever: collected, they would be closed."""


def _leave_all_to_parent() -> None:
    for one in list(_living):
        one.leave_to_parent()


os.register_at_fork(after_in_child=_leave_all_to_parent)
