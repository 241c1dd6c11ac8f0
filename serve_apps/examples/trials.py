"""Examples of trials for the OpenAPI document; a test validates each."""

from __future__ import annotations

from typing import Any

TRIALS: dict[str, Any] = {
    "trials": [
        {
            "trial_id": "6c3f6c0e-0c7e-4a55-9d0b-3f0d2a1b7c55",
            "job_id": None,
            "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
            "timeframe": "1h",
            "time_range": {"start": "2025-01-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"},
            "grid_hash": "5b0f2d6f0a7a4d0f6f3a0f4f5f1f7c6b1a4a9f6f3f5c7b0e9d8c7b6a5f4e3d2c",
            "request_hash": "0d9c8b7a6f5e4d3c2b1a09f8e7d6c5b4a3928170f1e2d3c4b5a69788796a5b4c",
            "searches": 2,
            "variants": 1000,
            "independent_variants": 140.0,
            "best_total_return_pct": 31.25,
            "first_at": "2026-01-05T10:00:00.123456Z",
            "last_at": "2026-01-05T10:20:00.123456Z",
        }
    ],
    "next_cursor": None,
}
