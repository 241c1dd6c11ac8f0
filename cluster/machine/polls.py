"""Polls of something: looks that go on until it holds, or the time for it is over."""

from __future__ import annotations

import time
from collections.abc import Iterator


def polls(timeout_s: float, every_s: float = 0.05) -> Iterator[None]:
    """Yield now, then after each pause, for that long; the last time after the end.

    So somebody who was suspended meanwhile looks once more before he gives up.
    """
    give_up_at = time.monotonic() + timeout_s
    is_last = False
    while not is_last:
        is_last = time.monotonic() > give_up_at
        yield
        if not is_last:
            time.sleep(every_s)
