"""A duty, and the means that duties work with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from candleray.databases.postgres import Postgres
from candleray.market_data.candle_store_client import CandleStoreClient
from candleray.market_data.history import History
from candleray.settings import Settings


@dataclass(frozen=True)
class Means:
    settings: Settings
    postgres: Postgres
    candles: CandleStoreClient
    history: History
    """One for all duties, so that together they keep within the exchanges' limits."""
    elsewhere: Callable[..., Awaitable[Any]] = asyncio.to_thread
    """Calls a function with its arguments where its work and its imports are no burden to this process."""
    show_parities: Callable[[Mapping[str, int]], None] = lambda counts: None
    """Told how many running runs have which parity."""


@dataclass(frozen=True)
class Duty:
    """Work to be done at the start and then every so often; it may be repeated at any time."""

    name: str
    every_s: float
    run: Callable[[], Awaitable[str]]
    """Does it once and says in a few words what was done."""
    timeout_s: float = 120.0
    is_due_early: Callable[[float], Awaitable[bool]] | None = None
    """Tells whether to do it before its time; called now and then, with the seconds since the last call."""
