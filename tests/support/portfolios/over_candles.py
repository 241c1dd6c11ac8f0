"""Portfolios over candles in memory, each instrument with its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from candleray.candles import Candles, IntArray
from candleray.market_data.coverage import missing_ranges
from candleray.portfolio.member_requests import named_requests
from candleray.portfolio.portfolio_request import PortfolioRequest
from candleray.portfolio.portfolio_result import PortfolioResult
from candleray.portfolio.reading import backtested
from candleray.settings import Settings
from candleray.timeframes import MINUTE_MS
from candleray.work_elsewhere import on_a_thread

START_MS = 1_735_689_600_000
"""2025-01-01, a Wednesday."""


@dataclass(frozen=True)
class Symbols:
    """A store of candles that holds some symbols."""

    candles: Mapping[str, Candles]

    async def read(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> Candles:
        return self.candles[symbol].between(start_ms, end_ms)

    async def span(self, market_id: int, symbol: str) -> tuple[int, int]:
        stamps = self.candles[symbol].ts_open_ms
        return int(stamps[0]), int(stamps[-1]) + MINUTE_MS

    async def missing_ranges(self, market_id: int, symbol: str, start_ms: int, end_ms: int) -> IntArray:
        return missing_ranges(self.candles[symbol].ts_open_ms, start_ms, end_ms)


def walk_of(minutes: int, seed: int, volatility: float = 0.002, first: int = 0) -> Candles:
    """Minutes of a random walk, the first of which is that many after the start."""
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, volatility, minutes)))
    open_ = np.concatenate(([100.0], close[:-1]))
    reach = np.exp(np.abs(random.normal(0, volatility / 2, (2, minutes))))
    high, low = np.maximum(open_, close) * reach[0], np.minimum(open_, close) / reach[1]
    values = np.ascontiguousarray(np.stack([open_, high, low, close, random.uniform(1, 9, minutes)]))
    return Candles(START_MS + (first + np.arange(minutes)) * MINUTE_MS, values)


async def portfolio_over(candles: Mapping[str, Candles], content: Mapping[str, Any]) -> PortfolioResult:
    """Backtest a portfolio whose members are all written out."""
    request = PortfolioRequest.model_validate(content)
    settings = Settings(environment="test")
    return await backtested(request, list(named_requests(request, {})), Symbols(candles), settings, on_a_thread)
