"""Heartbeats of what works behind the API, and the courses of its duties."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

from fastapi import APIRouter

from actors.options import workers
from candleray.duties.outcomes import Activity, DutyCourse, DutyOutcomes
from candleray.errors import CandlerayError
from candleray.heartbeats import worker_beats
from serve_apps.backend import Backend, InBackend
from serve_apps.http.access import public
from serve_apps.http.openapi import example
from serve_apps.http.slots import slot

_KNOWN_WITHIN_S = 1.0

router = APIRouter(tags=["health"])

_STATUS = {
    "late": ["binance feed"],
    "workers": [
        {"worker": "candle store", "last_beat": "2026-11-29T09:14:03Z", "ago_s": 2.1, "is_late": False},
        {"worker": "binance feed", "last_beat": "2026-11-29T09:12:40Z", "ago_s": 85.0, "is_late": True},
    ],
    "duties": [
        {
            "name": "instruments of binance-spot",
            "every_s": 3600.0,
            "done_at": "2026-11-29T08:40:00Z",
            "took_s": 1.8,
            "next_at": "2026-11-29T09:40:00Z",
            "failures_in_row": 0,
        }
    ],
}


@router.get("/status", response_model=Activity, responses=example(_STATUS))
@public
@slot("none")
async def status(backend: InBackend) -> Any:
    """The last beat of every worker, those that are late, and when each duty was last done and is next.

    Workers are actors, runners of live runs, drivers of jobs. Why a duty failed, `GET /ready` says.
    """
    beats = worker_beats(await backend.last_beats(), workers(backend.settings), time.time())
    return Activity(late=beats.late, workers=beats.workers, duties=await _courses(backend))


async def _courses(backend: Backend) -> tuple[DutyCourse, ...]:
    with suppress(CandlerayError, TimeoutError):
        async with asyncio.timeout(_KNOWN_WITHIN_S):
            outcomes = await DutyOutcomes(await backend.postgres()).all()
            return tuple(outcome.course() for outcome in outcomes)
    return ()
