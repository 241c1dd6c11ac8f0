"""A loop that stood still says so afterwards, and why."""

from __future__ import annotations

import asyncio
import time

from candleray.feeds.halt_watch import BUSY, SUSPENDED, HaltWatch
from tests.support.waiting import let_work_until


async def test_a_loop_that_stood_still_tells_for_how_long_and_whether_it_was_busy() -> None:
    halt = HaltWatch(halt_s=0.3)
    watching = asyncio.create_task(halt.watch())
    await asyncio.sleep(0)
    time.sleep(1.0)  # noqa: ASYNC251 - the loop is to stand still
    await let_work_until(lambda: halt.last, what="it is told")
    assert halt.last
    assert halt.last.seconds >= 0.3
    assert halt.last.cause == SUSPENDED
    busy_until = time.process_time() + 1.0
    while time.process_time() < busy_until:
        pass
    await let_work_until(lambda: halt.last and halt.last.cause == BUSY, what="it is told")
    watching.cancel()
