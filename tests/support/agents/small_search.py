"""A small search that assistants are tested with, over a random walk."""

from __future__ import annotations

from typing import Any

SYMBOL = "AGENTUSDT"
REQUEST: dict[str, Any] = {
    "instrument": {"market_id": 1, "symbol": SYMBOL},
    "timeframe": "5m",
    "time_range": {"start": "2025-01-01T12:00:00Z", "end": "2025-01-03"},
    "indicators": [{"id": "sma", "params": {"window": {"start": 10, "stop": 40, "step": 5}}}],
}
