"""Processes of ingestion that may be killed at any moment, and begun anew at once.

`python -m tests.support.feeds.ingestion_process` imports what ingestion needs, then forks a process for each line
of its standard input, `{"venue": ..., "store": ..., "settings": ...}`, and writes the id of that process.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

import cryptofeed.connection  # noqa: F401 - imported here, each process has it at once

from actors.market_feed import follow_venue
from candleray.feeds import venue_ingestion  # noqa: F401
from candleray.feeds.feed_state import FeedState
from candleray.logs import configure_logs
from candleray.settings import Settings
from tests.support.feeds.store_process import StoreAt

_DIES_WITH_PARENT = 1


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the killed are collected by the kernel
    parent = os.getpid()
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGKILL)
            if os.getppid() == parent:
                ingest(**json.loads(line))
            os._exit(1)
        print(pid, flush=True)


def ingest(venue: str, store: str, settings: dict[str, Any]) -> None:
    configure_logs("INFO")

    def observe(states: Sequence[FeedState]) -> None:
        """The metrics are Ray's."""

    asyncio.run(follow_venue(venue, Settings(**settings), lambda _: (StoreAt(store), observe)))


if __name__ == "__main__":
    main()
