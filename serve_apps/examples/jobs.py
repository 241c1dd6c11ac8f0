"""Examples of jobs for the OpenAPI document; a test validates each."""

from __future__ import annotations

from typing import Any

from serve_apps.examples.backtests import BACKTEST_RESULT

JOB: dict[str, Any] = {
    "job_id": "0198a3f2-5d3e-7c41-9b6a-2f4d8e1c7a90",
    "instrument": BACKTEST_RESULT["request"]["instrument"],
    "timeframe": BACKTEST_RESULT["request"]["timeframe"],
    "state": "running",
    "phase": "stage-b",
    "done": 420000,
    "total": 1000000,
    "tasks_done": 12,
    "tasks_total": 25,
    "variants_total": 1000000,
    "variants_done": 420000,
    "simulations": 1000000,
    "variants_per_s": 84210.5,
    "eta_s": 6.9,
    "best_total_return_pct": 41.27,
    "partial": True,
    "attempt": 1,
    "cancel_requested": False,
    "waiting_for": None,
    "error": None,
    "request_hash": BACKTEST_RESULT["request_hash"],
    "engine_params_hash": BACKTEST_RESULT["engine_params_hash"],
    "candles_hash": BACKTEST_RESULT["candles_hash"],
    "created_at": "2025-06-01T12:00:00Z",
    "started_at": "2025-06-01T12:00:01Z",
    "heartbeat_at": "2025-06-01T12:00:12Z",
    "finished_at": None,
}
ACCEPTED_JOB = {**JOB, "notes": []}
JOB_DETAIL = {
    **JOB,
    "request": BACKTEST_RESULT["request"],
    "events": [
        {
            "at": "2025-06-01T12:00:00Z",
            "from_state": None,
            "to_state": "queued",
            "attempt": 0,
            "cause": "submitted",
        },
        {
            "at": "2025-06-01T12:00:01Z",
            "from_state": "queued",
            "to_state": "running",
            "attempt": 1,
            "cause": "its turn has come",
        },
    ],
}
JOB_TOP = {
    "job_id": JOB["job_id"],
    "state": "running",
    "partial": True,
    "variants_done": 420000,
    "simulations": 1000000,
    "notes": [],
    "top": [
        {name: value for name, value in variant.items() if name not in ("metrics", "table_md", "trades")}
        for variant in BACKTEST_RESULT["top"]
    ],
}
JOB_VARIANT = {
    "job_id": JOB["job_id"],
    "variant_index": 34,
    "strategy": BACKTEST_RESULT["top"][0]["strategy"],
}
JOB_EVENTS = 'event: progress\ndata: {"job_id":"0198a3f2-5d3e-7c41-9b6a-2f4d8e1c7a90","state":"running"}\n\n'
PREFLIGHT = {
    "request_hash": BACKTEST_RESULT["request_hash"],
    "variants_total": 4000000,
    "variants_evaluated": 4000000,
    "simulations": 4000000,
    "bars": 525600,
    "planes": 420,
    "compute_bytes": 119000000,
    "core_s": 83.1,
    "estimated_s": 47.2,
    "estimated_job_s": 47.2,
    "mode": "job",
    "notes": [],
    "violated_for_sync": [{"name": "variants", "number": 4000000, "limit": 1000000}],
    "violated_for_job": [],
}
