"""A search that never ends by itself, in place of the API's."""

from __future__ import annotations

import asyncio

from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult


class EndlessSearch:
    """Counts those that began, and those that were cancelled."""

    def __init__(self) -> None:
        self.begun = self.cancelled = 0

    async def __call__(self, request: BacktestRequest) -> BacktestResult:
        self.begun += 1
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        raise AssertionError
