"""Backfills by the instance, which every user may ask for."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body

from candleray.market_data.backfill_report import BackfillRequest, BackfillStep
from serve_apps.backend import InBackend
from serve_apps.examples import market_data as examples
from serve_apps.http.callers import InCaller
from serve_apps.http.json_body import StrictRoute
from serve_apps.http.openapi import example

router = APIRouter(prefix="/market-data", tags=["market data"], route_class=StrictRoute)


@router.post("/backfills", response_model=BackfillStep, responses=example(examples.BACKFILL_STEP))
async def backfill_candles(
    body: Annotated[BackfillRequest, Body(openapi_examples=examples.BACKFILL_BODIES)],
    caller: InCaller,
    backend: InBackend,
) -> Any:
    """Fetch the first 20,000 missing minutes of a range from the exchange itself.

    Everybody may: what is stored already never changes. While `next_start` is not null, ask again from there.
    """
    return await backend.backfills.step(backend.candles, backend.shared_writes, caller, body)
