"""Example of a null model for the OpenAPI document; a test validates it."""

from __future__ import annotations

from typing import Any

from serve_apps.examples.backtests import BACKTEST_RESULT

_BEST: dict[str, Any] = BACKTEST_RESULT["top"][0]

NULL_MODEL: dict[str, Any] = {
    "request": BACKTEST_RESULT["request"],
    "model": "walk",
    "seed": 0,
    "first": 0,
    "best": 2.92,
    "variant_index": _BEST["variant_index"],
    "strategy": _BEST["strategy"],
    "notes": [],
    "metric": "Total Return [%]",
    "luck": [4.5, 1.5, 6.5, 2.5],
    "reached": 2,
    "p": 0.6,
    "p_low": 0.15,
    "p_high": 0.85,
    "percentiles": {"5": 1.5, "25": 1.5, "50": 2.5, "75": 4.5, "95": 6.5},
    "histogram": {"low": 1.5, "high": 6.5, "counts": [2, 2]},
    "summary": [
        "Luck alone reached the best of this search, Total Return [%] 2.92, in 2 of 4 random walks with the "
        "volatility of these candles: p 0.6, and 0.15 to 0.85 in 95 of 100 cases.",
        "In half of them it reached 2.50 or more, in one of twenty 6.50 or more.",
    ],
}
