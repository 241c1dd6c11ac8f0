"""Progress of a call, told from its thread to the loop that the door runs on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

_STEP = 0.001
"""The protocol has progress grow with every message: where nothing has been done, by less than one thing done."""
_SAME_WORDS_AGAIN_S = 5.0
"""Programs wait longer for what tells of itself."""

Report = Callable[[float, float | None, str | None], Awaitable[None]]


class Progress:
    """Messages so far; one that cannot be sent any more is dropped."""

    def __init__(self, report: Report, clock: Callable[[], float] = time.monotonic) -> None:
        """The loop is the one that runs now."""
        self._report, self._clock = report, clock
        self._loop = asyncio.get_running_loop()
        self._reached: float | None = None
        self._words, self._told_at = "", 0.0

    def tell(self, done: float, total: float | None, words: str) -> None:
        """Tell it where it is news; it never becomes less, though work may begin again at a checkpoint."""
        now, reached = self._clock(), self._reached
        is_news = reached is None or int(done) > reached or words != self._words
        if not is_news and now < self._told_at + _SAME_WORDS_AGAIN_S:
            return
        self._reached = done if reached is None else max(done, reached + _STEP)
        self._words, self._told_at = words, now
        asyncio.run_coroutine_threadsafe(self._told(self._reached, total, words), self._loop)

    async def _told(self, done: float, total: float | None, words: str) -> None:
        await self._report(done, total, words)
