"""The watch over an event loop: it notices afterwards that nothing went on for a while, and why."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

from candleray.feeds.feed_state import FeedHalt
from candleray.logs import get_logger

log = get_logger("feeds")

HALT_S = 5.0
_EVERY_S = 0.5
SUSPENDED = "the process was suspended, or got no processor"
BUSY = "the process was busy with something else"


class HaltWatch:
    def __init__(self, halt_s: float = HALT_S) -> None:
        self.last: FeedHalt | None = None
        self._halt_s = halt_s

    async def watch(self) -> None:
        while True:
            began_s, used_s = time.monotonic(), time.process_time()
            await asyncio.sleep(_EVERY_S)
            late_s = time.monotonic() - began_s - _EVERY_S
            if late_s >= self._halt_s:
                self._note(late_s, time.process_time() - used_s)

    def _note(self, late_s: float, used_s: float) -> None:
        cause = SUSPENDED if used_s < late_s / 20 else BUSY
        self.last = FeedHalt(seconds=round(late_s, 1), until=datetime.now(UTC), cause=cause)
        log.warning("feed_stood_still", seconds=round(late_s, 1), cause=cause, cpu_s=round(used_s, 1))
