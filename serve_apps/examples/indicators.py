"""Examples of indicators for the OpenAPI document; a test validates each."""

from __future__ import annotations

from typing import Any

from serve_apps.examples.market_data import INSTRUMENT

INDICATOR = {
    "id": "sma",
    "title": "Simple Moving Average",
    "version": 1,
    "description": "Simple moving average: the mean of the last `window` values.",
    "source": "Arithmetic mean of a sliding window; TA-Lib SMA",
    "inputs": [
        {
            "name": "source",
            "columns": ["close", "open", "high", "low", "hlc3", "ohlc4"],
            "default": "close",
        }
    ],
    "outputs": ["sma"],
    "params": [
        {
            "name": "window",
            "kind": "int",
            "description": "bars in the average",
            "default": 20,
            "min": 2,
            "max": 5000,
            "step": 1,
            "grid": {"start": 5, "stop": 200, "step": 5},
        }
    ],
    "rule": {
        "family": "price_against_output",
        "meaning": "Long while the close is above the output, short while it is below.",
        "params": [],
    },
}
_SMA_20 = {"id": "sma", "inputs": {"source": "close"}, "params": {"window": 20}}
SERIES_REQUESTS: Any = {
    "last": {
        "summary": "SMA(20) over the last 1000 minutes",
        "value": {
            "instrument": INSTRUMENT,
            "timeframe": "1m",
            "indicator": {"id": "sma", "params": {"window": 20}},
            "last": 1000,
        },
    },
    "time range": {
        "summary": "RSI(14) of the hourly bars of one day",
        "value": {
            "instrument": INSTRUMENT,
            "timeframe": "1h",
            "indicator": {"id": "rsi", "inputs": {"source": "hlc3"}, "params": {"window": 14}},
            "time_range": {"start": "2025-01-01T00:00:00Z", "end": "2025-01-02T00:00:00Z"},
        },
    },
}
SERIES = {
    "instrument": INSTRUMENT,
    "timeframe": "1m",
    "indicator": _SMA_20,
    "ts_open_ms": [1735689600000, 1735689660000, 1735689720000],
    "outputs": {"sma": [None, 93524.105, 93530.7815]},
}
