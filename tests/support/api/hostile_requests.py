"""Requests that must not be computed, and the field that says why: changes of a request that may be."""

from __future__ import annotations

from typing import Any

HOSTILE: list[tuple[str, dict[str, Any], str]] = [
    (
        "10^16 variants",
        {
            "indicators": [
                {"id": name, "params": {"window": {"start": 2, "stop": 10001, "step": 1}}}
                for name in ("sma", "ema", "wma", "rma")
            ]
        },
        "variants",
    ),
    ("10^7 levels", {"risk": {"sl_pct": {"start": 0.00001, "stop": 100, "step": 0.00001}}}, "risk.sl_pct"),
    (
        "a million-minute window on daily bars",
        {"timeframe": "1d", "indicators": [{"id": "sma", "params": {"window": 1_000_000}}]},
        "indicators.0.params.window",
    ),
    ("a value twice", {"risk": {"sl_pct": {"values": [1, 1]}}}, "risk.sl_pct"),
    ("a negative step", {"risk": {"sl_pct": {"start": 1, "stop": 5, "step": -1}}}, "risk.sl_pct"),
    ("a step beyond counting", {"risk": {"sl_pct": {"start": 5, "stop": 50, "step": 1e-300}}}, "risk.sl_pct"),
    ("a top of a billion", {"top_k": 1_000_000_000}, "top_k"),
    ("nine indicators", {"indicators": [{"id": "sma"}] * 9}, "indicators"),
    ("no indicator", {"indicators": []}, "indicators"),
    (
        "an empty range",
        {"time_range": {"start": "2025-01-02T00:00:00Z", "end": "2025-01-01T00:00:00Z"}},
        "time_range",
    ),
    ("an endless level", {"risk": {"tp_pct": 1e308}}, "risk.tp_pct"),
    (
        "a million planes",
        {
            "indicators": [
                {
                    "id": "rsi",
                    "params": {"window": {"start": 2, "stop": 1001, "step": 1}},
                    "signal": {"long_threshold": {"start": 1, "stop": 49, "step": 0.01}, "short_threshold": 70},
                }
            ]
        },
        "compute_bytes",
    ),
]
