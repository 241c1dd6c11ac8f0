"""Examples of strategies and runs for the OpenAPI document; a test validates each."""

from __future__ import annotations

from typing import Any

STRATEGY_ID = "0b4bd4f2-6c1a-4f0e-9d43-2a8c55a7f0b1"
CLONE_ID = "5f0f3c9e-2b57-4f6e-8f0d-6f1f5d7f2c44"

_VARIANT = {
    "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
    "timeframe": "1h",
    "time_range": {"start": "2025-01-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"},
    "indicators": [
        {
            "id": "rsi",
            "inputs": {"source": "close"},
            "params": {"window": 14},
            "signal": {"long_threshold": 40, "short_threshold": 60},
        },
        {"id": "sma", "inputs": {"source": "close"}, "params": {"window": 50}, "signal": {}},
    ],
    "direction": "long-short",
    "exit_on": "opposite",
    "sizing": {"mode": "all_in"},
    "init_cash_quote": 10000,
    "fee_pct": 0.075,
    "slippage_pct": 0.01,
    "risk": {"sl_pct": 2.5, "tp_pct": None},
}
_SPEC = {"spec_version": 1, **{name: value for name, value in _VARIANT.items() if name != "time_range"}}

NEW_STRATEGIES: Any = {
    "variant": {
        "summary": "The `strategy` of a backtest's variant, as it came",
        "value": {"strategy": _VARIANT},
    },
    "job": {
        "summary": "A variant of a job, by the number that its best variants tell",
        "value": {"variant": {"job_id": "0198a3f2-5d3e-7c41-9b6a-2f4d8e1c7a90", "variant_index": 34}},
    },
    "written": {
        "summary": "One written by hand; the defaults fill in the rest",
        "value": {
            "strategy": {
                "instrument": {"market_id": 2, "symbol": "ETHUSDT"},
                "timeframe": "15m",
                "indicators": [{"id": "ema", "params": {"window": 50}}],
                "direction": "long-only",
            }
        },
    },
}
STRATEGY_CHANGES: Any = {
    "stops": {"summary": "Another stop-loss, and a take-profit", "value": {"risk": {"sl_pct": 2, "tp_pct": 6}}},
    "direction": {"summary": "Long alone", "value": {"direction": "long-only"}},
}

SAVED_BACKTESTS: Any = {
    "saved": {
        "summary": "A saved strategy over a time range",
        "value": {"strategy_id": STRATEGY_ID, "time_range": _VARIANT["time_range"], "trades_for": 1},
    },
    "around": {
        "summary": "A grid of stop levels around a saved strategy",
        "value": {
            "strategy_id": STRATEGY_ID,
            "time_range": _VARIANT["time_range"],
            "risk": {"sl_pct": {"start": 1, "stop": 5, "step": 0.5}, "tp_pct": {"values": [2, 4, 8]}},
            "top_k": 10,
        },
    },
}

STRATEGY: dict[str, Any] = {
    "strategy_id": STRATEGY_ID,
    "name": "BTCUSDT-1h-rsi14-sma50-f3c83dc9",
    "spec_hash": "f3c83dc9bdccddb185c96e9eb2cd480c3aaab9a7623729968dffba21f7b94323",
    "spec": _SPEC,
    "parent_id": None,
    "created_at": "2026-01-05T10:00:00.123456Z",
    "deleted_at": None,
}
CLONE = {
    **STRATEGY,
    "strategy_id": CLONE_ID,
    "name": "BTCUSDT-1h-rsi14-sma50-3fe05b64",
    "spec_hash": "3fe05b649f3ab517561fc9ae2562c216c140c3e8dcf14cfd5d4267cf14e7697d",
    "spec": {**_SPEC, "direction": "long-only"},
    "parent_id": STRATEGY_ID,
    "created_at": "2026-01-05T10:05:00.654321Z",
}
DELETED_STRATEGY = {**STRATEGY, "deleted_at": "2026-02-01T08:30:00.5Z"}
STRATEGIES = {"strategies": [CLONE, STRATEGY], "next_cursor": "AAZHoR9ECkALS9TybBpPDp1DKoxVp_Cx"}

RUN_ID = "9d1f2c5e-58a0-4a3c-b1c3-5d7f1f0e6a21"

NEW_RUNS: Any = {
    "one": {"summary": "A saved strategy", "value": {"strategy_id": STRATEGY_ID}},
    "on paper": {
        "summary": "With orders at the paper exchange",
        "value": {"strategy_id": STRATEGY_ID, "mode": "paper"},
    },
}

RUN: dict[str, Any] = {
    "run_id": RUN_ID,
    "strategy_id": STRATEGY_ID,
    "state": "starting",
    "state_since": "2026-01-05T10:30:00.25Z",
    "mode": "signals",
    "metadata": {
        "instrument_key": "binance:spot:BTCUSDT",
        "timeframe": "1h",
        "warmup_rule": "numeric_max_param",
        "warmup_bars": 50,
        "lookback_bars": 49,
        "warmup_from": "2026-01-03T08:00:00Z",
    },
    "created_at": "2026-01-05T10:30:00.25Z",
}
STARTED_RUN = {**RUN, "notes": ["binance-spot BTCUSDT is ingested from now on"]}
STOPPING_RUN = {**RUN, "state": "stopping", "state_since": "2026-01-06T09:00:00Z"}
RUN_HISTORY = {
    **STOPPING_RUN,
    "standing": None,
    "events": [
        {
            "number": 1,
            "action": "run",
            "from_state": None,
            "to_state": "starting",
            "cause": "asked for by the user",
            "at": "2026-01-05T10:30:00.25Z",
        },
        {
            "number": 2,
            "action": "stop",
            "from_state": "starting",
            "to_state": "stopping",
            "cause": "asked for by the user",
            "at": "2026-01-06T09:00:00Z",
        },
    ],
}
RUNS = {"runs": [STOPPING_RUN], "next_cursor": "AAZHoR9ECkALS9TybBpPDp1DKoxVp_Cx"}
