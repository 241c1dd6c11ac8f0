"""Examples of holdouts for the OpenAPI document; a test validates each."""

from __future__ import annotations

from typing import Any

from serve_apps.examples.strategies import STRATEGY, STRATEGY_ID

HOLDOUT_ID = "2f1f0f0c-6d1a-4b53-8a57-1f9b9f7e2c11"

SEALED: dict[str, Any] = {
    "holdout_id": HOLDOUT_ID,
    "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
    "time_range": {"start": "2025-10-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"},
    "searched_before": 0,
    "created_at": "2026-01-05T10:00:00.123456Z",
    "chosen": None,
    "opened_at": None,
    "results": None,
}
OPENED = {
    **SEALED,
    "chosen": [STRATEGY_ID],
    "opened_at": "2026-01-06T10:00:00.123456Z",
    "results": [
        {
            "strategy_id": STRATEGY_ID,
            "name": STRATEGY["name"],
            "total_return_pct": -2.5,
            "benchmark_pct": 4.75,
            "luck_p": 0.62,
            "luck_p_among": 0.62,
            "metrics": {"Total Return [%]": -2.5, "Num. Trades": 41},
            "notes": [],
        }
    ],
}
CHOSEN: Any = {"one": {"summary": "The strategy that was chosen", "value": {"strategies": [STRATEGY_ID]}}}
