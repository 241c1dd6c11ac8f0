"""Examples of subscriptions for the OpenAPI document; a test validates each."""

from __future__ import annotations

from typing import Any

INSTRUMENT = {"market_id": 1, "symbol": "BTCUSDT"}
SUBSCRIPTION = {**INSTRUMENT, "source": "operator", "added_at": "2026-01-05T07:00:00Z", "notice": None}
REPORT = {"added": ["ETHUSDT"], "already": ["BTCUSDT"]}
REQUEST: dict[str, Any] = {
    **INSTRUMENT,
    "request_id": "5f0f2b0e-8d2b-4c55-9d0c-0c6ad8a31d5e",
    "user_id": "9a1f6a1e-52c7-4f7b-8d39-5d0b2f4c6e7a",
    "state": "waiting",
    "asked_at": "2026-01-05T07:00:00Z",
    "decided_at": None,
    "reason": "",
}
REQUESTS = {"requests": [REQUEST], "next_cursor": None}
ACCEPTED = {"state": "accepted", "decided_at": "2026-01-05T08:00:00Z"}
REFUSED = {"state": "refused", "decided_at": "2026-01-05T08:00:00Z", "reason": "too little volume"}
BODIES: Any = {"two": {"summary": "Two symbols", "value": {"market_id": 1, "symbols": ["BTCUSDT", "ETHUSDT"]}}}
INSTRUMENT_BODIES: Any = {"one": {"summary": "An instrument", "value": INSTRUMENT}}
REFUSALS: Any = {"a reason": {"summary": "A reason", "value": {"reason": "too little volume"}}}
