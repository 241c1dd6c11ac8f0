"""A small grid over a random walk, and one variant over closes written by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult
from candleray.backtests.verdict import Saying
from candleray.candles import Candles
from candleray.indicators.request_models import get_request_models
from candleray.search.variants import resolve
from candleray.settings import BacktestSettings
from candleray.timeframes import MINUTE_MS
from tests.support.searches import search_over

START_MS = 1_735_689_600_000  # 2025-01-01
WARMUP = 50


def walk(minutes: int, seed: int = 7) -> Candles:
    """A random walk of candles from 2025-01-01 on."""
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.002, minutes)))
    open_ = np.concatenate(([100.0], close[:-1]))
    high = np.maximum(open_, close) * (1 + random.random(minutes) * 0.001)
    low = np.minimum(open_, close) * (1 - random.random(minutes) * 0.001)
    values = np.ascontiguousarray([open_, high, low, close, random.random(minutes) * 10])
    return Candles(START_MS + np.arange(minutes) * MINUTE_MS, values)


CANDLES = walk(4000)

SMA = {
    "id": "sma",
    "inputs": {"source": ["close", "hlc3"]},
    "params": {"window": {"start": 5, "stop": 300, "step": 35}},
}
RSI = {"id": "rsi", "params": {"window": {"values": [7, 14]}}, "signal": {"long_threshold": {"values": [40, 60]}}}


def resolved(**changes: Any) -> BacktestRequest:
    """A request of the grid with these changes; what is None is left out."""
    content = {
        "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
        "timeframe": "1m",
        "time_range": {"start": "2025-01-01T05:00:00Z", "end": "2025-01-03T12:00:00Z"},
        "indicators": [SMA, RSI],
        "top_k": 20,
        "trades_for": 20,
        **changes,
    }
    told = {name: value for name, value in content.items() if value is not None}
    return resolve(get_request_models().validated_request(told), BacktestSettings())


def run(**changes: Any) -> BacktestResult:
    return search_over(CANDLES, resolved(**changes), WARMUP)


def numbers_of(result: BacktestResult) -> str:
    """Return the bytes of an answer, but for its times and the earlier searches of whoever asked."""
    verdict = result.verdict
    if verdict is not None and verdict.earlier is not None:
        assert verdict.luck_p is not None
        assert verdict.losing_splits is not None
        says = Saying.of(verdict.luck_p, verdict.losing_splits)
        alone = verdict.model_copy(update={"says": says, "earlier": None, "luck_p_with_earlier": None})
        result = result.model_copy(update={"verdict": alone})
    return result.model_dump_json(exclude={"elapsed_s"})


# A close that jumps about its average of two bars makes every signal by hand: above it is long, below it short.
HAND = {"id": "sma", "params": {"window": 2}}


def by_hand(closes: list[float], **changes: Any) -> BacktestResult:
    """The one variant of `HAND` over these closes, without costs and with its trades."""
    prices = np.array(closes, float)
    candles = Candles(START_MS + np.arange(prices.size) * MINUTE_MS, np.ascontiguousarray([prices] * 5))
    terms = {"fee_pct": 0, "slippage_pct": 0, "init_cash_quote": 1000, "direction": "long-only", "trades_for": 1}
    span = {"start": "2025-01-01", "end": "2025-01-02"}
    asked = {"indicators": [HAND], "time_range": span, **terms, **changes}
    return search_over(candles, resolved(**asked), WARMUP)
