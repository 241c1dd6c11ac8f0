"""Processes that are forked from one with all imports in memory, a line of its standard input each."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

_DIES_WITH_PARENT = 1


def fork_for_each_line(work: Callable[[dict[str, Any]], Any], prepare: Callable[[], None] = lambda: None) -> None:
    """Fork a process for each line, an object of JSON that it works on, and write its id."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the killed are collected by the kernel
    parent = os.getpid()
    prepare()
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGKILL)
            if os.getppid() == parent:
                work(json.loads(line))
            os._exit(1)
        print(pid, flush=True)
