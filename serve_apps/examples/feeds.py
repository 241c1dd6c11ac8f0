"""Examples of feeds of live candles."""

from __future__ import annotations

from typing import Any

FEED: dict[str, Any] = {
    "market": "binance-spot",
    "mode": "sockets",
    "reason": "no closed candle for 75 s",
    "trouble_at": "2025-06-22T09:14:02.960Z",
    "subscribed": 200,
    "connected_since": "2025-06-22T09:14:03.201Z",
    "last_candle": "2025-06-22T13:46:00Z",
    "lag_p50_ms": 310,
    "lag_p99_ms": 8420,
    "written": 54210,
    "filled": 118,
    "repeated": 402,
    "reconnects": 1,
    "waiting": 0,
    "unpublished": 0,
    "incomplete": 0,
    "rest_trouble": "",
    "holes": 2,
    "catch_up": {"minutes_left": 1200, "minutes_done": 8400, "instruments": 3, "eta_s": 12.5},
    "repaired": 8400,
    "scanned_at": "2025-06-22T03:00:12Z",
    "budget_shared": True,
    "not_traded": {"LUNAUSDT": "not traded at present: its status is BREAK"},
    "clock_ahead_ms": -12,
    "refused": {"high below low": {"count": 1, "example": "BTCUSDT, row 1: 2025-06-22T13:01:00Z open=2 high=1"}},
    "ignored": {"no candle": 3},
    "refused_symbols": {},
    "waits": {"minutes into the stream": "Valkey at /run/valkey.sock: OOM command not allowed"},
    "last_halt": {
        "seconds": 12.4,
        "until": "2025-06-22T10:02:11Z",
        "cause": "the process was suspended, or got no processor",
    },
    "told_at": "2025-06-22T13:47:15Z",
    "told_ago_s": 2.1,
}
