"""Forty days of generated minutes, and grids over them that take seconds to search."""

from __future__ import annotations

from typing import Any

from candleray.candles import CandleRows, Candles
from candleray.markets import find_market
from candleray.simulator.generated_candles import GeneratedCandles
from candleray.timeframes import MINUTE_MS

START_MS = 1_746_057_600_000  # 2025-05-01
END_MS = START_MS + 40 * 1440 * MINUTE_MS

REQUEST: dict[str, Any] = {
    "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
    "timeframe": "1m",
    "time_range": {"start": "2025-05-02T00:00:00Z", "end": "2025-06-10T00:00:00Z"},
    "indicators": [
        {
            "id": "sma",
            "inputs": {"source": ["close", "hlc3"]},
            "params": {"window": {"start": 5, "stop": 300, "step": 5}},
        },
        {
            "id": "rsi",
            "params": {"window": {"values": [7, 14, 21]}},
            "signal": {"long_threshold": {"start": 20, "stop": 40, "step": 5}},
        },
    ],
    "top_k": 50,
    "trades_for": 2,
}

LONG_REQUEST: dict[str, Any] = {
    **REQUEST,
    "indicators": [
        {
            "id": "sma",
            "inputs": {"source": ["close", "hlc3"]},
            "params": {"window": {"start": 2, "stop": 1000, "step": 1}},
        },
        {
            "id": "rsi",
            "params": {"window": {"values": [7, 14, 21]}},
            "signal": {
                "long_threshold": {"start": 20, "stop": 40, "step": 5},
                "short_threshold": {"start": 60, "stop": 80, "step": 5},
            },
        },
    ],
}
"""150,000 variants: each phase lasts long enough to be killed in."""


def candle_rows() -> CandleRows:
    return GeneratedCandles(seed=11).candles(find_market("binance-spot"), "BTCUSDT", START_MS, END_MS)


def candles() -> Candles:
    rows = candle_rows()
    return Candles(rows.ts_open_ms, rows.values)
