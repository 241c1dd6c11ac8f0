"""Example of a robustness check for the OpenAPI document; a test validates it."""

from __future__ import annotations

from typing import Any

from serve_apps.examples.backtests import VARIANT_REPORT

_BASE: dict[str, Any] = {
    "total_return_pct": 12.4,
    "sharpe_ratio": 1.21,
    "max_drawdown_pct": 9.8,
    "trades": 41,
    "benchmark_return_pct": -6.3,
    "bars": 8760,
}

ROBUSTNESS: dict[str, Any] = {
    "request": VARIANT_REPORT["request"],
    "variant_index": 34,
    "sentences": VARIANT_REPORT["sentences"],
    "base": _BASE,
    "cases": [
        {
            "check": "costs",
            "name": "fees and slippage × 2",
            "changed": {"fee_pct": 0.15, "slippage_pct": 0.02},
            "figures": {**_BASE, "total_return_pct": 5.1, "sharpe_ratio": 0.56, "max_drawdown_pct": 11.2},
        },
        {
            "check": "parameters",
            "name": "rsi.window 15 in place of 14",
            "changed": {"rsi.window": 15},
            "figures": {**_BASE, "total_return_pct": -2.7, "sharpe_ratio": -0.2, "max_drawdown_pct": 14.6},
        },
    ],
    "worst": 1,
    "summary": [
        "Worst of 2 cases: rsi.window 15 in place of 14 (neighbouring parameters), -2.70 % with a drawdown of "
        "14.60 %; as it is +12.40 %.",
        "Higher costs: 0 of 1 lose; the worst, fees and slippage × 2, +5.10 % with a drawdown of 11.20 %.",
        "Neighbouring parameters: 1 of 1 lose; the worst, rsi.window 15 in place of 14, -2.70 % with a drawdown "
        "of 14.60 %.",
    ],
    "notes": ["years: the range lies within 2025, there is no other year"],
}
