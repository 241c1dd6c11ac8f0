"""Work that is done wherever there is room for it: on the cluster, or on a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

Compute: TypeAlias = Callable[..., Awaitable[Any]]
"""Calls a function with its arguments, wherever there is room for its work."""


async def on_a_thread(step: Callable[..., Any], *arguments: Any) -> Any:
    return await asyncio.to_thread(step, *arguments)
