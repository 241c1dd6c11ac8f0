"""Heartbeats of what works behind the API."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter

from actors.options import workers
from candleray.heartbeats import WorkerBeats, worker_beats
from serve_apps.backend import InBackend
from serve_apps.http.access import public
from serve_apps.http.openapi import example
from serve_apps.http.slots import slot

router = APIRouter(tags=["health"])

_STATUS = {
    "late": ["binance feed"],
    "workers": [
        {"worker": "candle store", "last_beat": "2026-11-29T09:14:03Z", "ago_s": 2.1, "is_late": False},
        {"worker": "binance feed", "last_beat": "2026-11-29T09:12:40Z", "ago_s": 85.0, "is_late": True},
    ],
}


@router.get("/status", response_model=WorkerBeats, responses=example(_STATUS))
@public
@slot("none")
async def status(backend: InBackend) -> Any:
    """The last beat of every worker, and those that are late: actors, runners of live runs, drivers of jobs."""
    return worker_beats(await backend.last_beats(), workers(backend.settings), time.time())
