"""A thread with an event loop, in which a long-lived actor works from the start of its process on.

Ray starts a process again that ends, so a loop that ends, for whatever reason, ends its process; one that stands
still answers nobody, and the supervisor kills it (`actors.answering`).
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from actors.answering import LoopPulse, answer_as
from candleray.errors import ServiceUnavailable
from candleray.logs import get_logger

log = get_logger("actors")

T = TypeVar("T")


class LoopThread:
    def __init__(
        self, part: str, work: Callable[[], Awaitable[None]], end: Callable[[int], None] = os._exit
    ) -> None:
        """
        Args:
            part: the name of the part that this process is, to whoever asks whether it is alive.
            work: the actor's work, which goes on for ever.
            end: called where the work has ended.
        """
        self._part = part
        self._work = work
        self._end = end
        self._pulse = LoopPulse()
        self._loop: asyncio.AbstractEventLoop | None = None
        answer_as(part, self._pulse.is_alive)

    def start(self) -> None:
        threading.Thread(target=self._live, name=self._part, daemon=True).start()

    @property
    def has_begun(self) -> bool:
        return self._loop is not None

    def require(self) -> None:
        """
        Raises:
            ServiceUnavailable: the loop stands still.
        """
        self._pulse.require(self._part)

    def call(self, step: Coroutine[Any, Any, T], within_s: float) -> T:
        """Have the loop take a step of another thread's; return its outcome.

        Raises:
            ServiceUnavailable: the loop has not begun.
            TimeoutError: it was not done within that time.
        """
        if self._loop is None:
            step.close()
            raise ServiceUnavailable(f"the {self._part} has not begun yet: ask again in a second")
        return asyncio.run_coroutine_threadsafe(step, self._loop).result(within_s)

    def _live(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException:
            log.exception("part_failed", part=self._part)
        self._end(1)  # Ray starts it again

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pulse.beat(), name="pulse")
            await self._work()
            raise RuntimeError(f"the work of the {self._part} has ended")


def keep_doing(name: str, work: Callable[[], Coroutine[Any, Any, None]], again_s: float) -> None:
    """Do work in a loop and a thread of its own, beside others of this process: what fails alone begins again."""
    threading.Thread(target=_do_again, args=(name, work, again_s), name=name, daemon=True).start()


def _do_again(name: str, work: Callable[[], Coroutine[Any, Any, None]], again_s: float) -> None:
    while True:
        try:
            asyncio.run(work())
            return
        except Exception:
            log.exception("work_failed", work=name)
            time.sleep(again_s)
