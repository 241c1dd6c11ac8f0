"""Tasks under way: all their answers, or none of them and the rest cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import ray

Tell = Callable[[int, int], None]
"""Is told how many of how many parts of a phase are done."""


async def all_finished(refs: Sequence[Any], tell: Tell | None = None) -> list[Any]:
    """All answers in order; when one fails or the caller leaves, the rest is cancelled."""
    done = 0

    async def one(ref: Any) -> Any:
        nonlocal done
        answer = await ref
        done += 1
        if tell:
            tell(done, len(refs))
        return answer

    if tell:
        tell(0, len(refs))
    try:
        return list(await asyncio.gather(*(one(ref) for ref in refs)))
    except BaseException:
        cancel(refs)
        raise


def cancel(refs: Sequence[Any]) -> None:
    for ref in refs:
        ray.cancel(ref, force=False)


def share_pending(refs: Sequence[Any]) -> float:
    """What part of them has no answer yet; nothing of none."""
    if not refs:
        return 0.0
    _, pending = ray.wait(list(refs), num_returns=len(refs), timeout=0, fetch_local=False)
    return len(pending) / len(refs)
