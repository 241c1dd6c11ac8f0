"""A duty, and the means that duties work with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Duty:
    """Work to be done at the start and then every so often; it may be repeated at any time."""

    name: str
    every_s: float
    run: Callable[[], Awaitable[str]]
    """Does it once and says in a few words what was done."""
    timeout_s: float = 120.0
