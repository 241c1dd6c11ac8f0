"""Waiting for what another thread or process does: until it is seen, never for a fixed time."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any, TypeVar

from cluster.machine.polls import polls

PATIENCE_S = 240.0
"""A busy machine is slow, not wrong."""

T = TypeVar("T")


def wait_until(
    look: Callable[[], T],
    holds: Callable[[T], Any] = bool,
    *,
    what: str = "it",
    within_s: float = PATIENCE_S,
    every_s: float = 0.05,
    passing: tuple[type[Exception], ...] = (),
) -> T:
    """Look again and again until what is seen holds, and return that.

    Args:
        passing: errors of a look that only mean that it is to be taken again.

    Raises:
        AssertionError: it did not hold in time; says what was seen last.
    """
    seen: Any = None
    for _ in polls(within_s, every_s):
        try:
            seen = look()
        except passing as error:
            seen = error
        else:
            if holds(seen):
                return seen
    raise AssertionError(f"{what}: not within {within_s:g} s, last seen {seen!r:.1000}")


async def let_work_until(holds: Callable[[], Any], *, what: str = "it", within_s: float = PATIENCE_S) -> None:
    """Let the other tasks of this loop work until it holds; an answer that is awaitable is awaited.

    Raises:
        AssertionError: it did not hold in time.
    """
    give_up_at = time.monotonic() + within_s
    while not await _answer(holds):
        assert time.monotonic() < give_up_at, f"{what}: not within {within_s:g} s"
        await asyncio.sleep(0.01)


async def eventually(look: Callable[[], Any], holds: Callable[[Any], Any] = bool, *, what: str = "it") -> Any:
    """Look again and again, letting others work, until what is seen holds, and return that."""
    seen: Any = None

    async def is_seen() -> bool:
        nonlocal seen
        seen = await _answer(look)
        return bool(holds(seen))

    await let_work_until(is_seen, what=what)
    return seen


async def _answer(holds: Callable[[], Any]) -> Any:
    answer = holds()
    return await answer if inspect.isawaitable(answer) else answer
