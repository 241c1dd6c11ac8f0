"""Backtests that are answered at once (R4.9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Body, Request

from candleray.backtests import BacktestRequest, BacktestResult
from candleray.catalogue import get_catalogue
from serve_apps import examples
from serve_apps.answers import example
from serve_apps.backend import InBackend
from serve_apps.json_body import StrictRoute
from serve_apps.waiting import answer_in_time

if TYPE_CHECKING:
    NarrowBacktestRequest = BacktestRequest
else:
    NarrowBacktestRequest = get_catalogue().request_model

router = APIRouter(tags=["backtests"], route_class=StrictRoute)


@router.post("/backtests", response_model=BacktestResult, responses=example(examples.BACKTEST_RESULT))
async def run_backtest(
    request: Request,
    body: Annotated[NarrowBacktestRequest, Body(openapi_examples=examples.BACKTEST_REQUESTS)],
    backend: InBackend,
) -> Any:
    """Search every variant of a request and answer with the best, ranked by total return.

    An axis is a scalar, `{"values": […]}` or `{"start", "stop", "step"}` with `stop` included. What is left out
    takes its default, and the answer echoes the resolved request. Each variant's `strategy`, sent back as a
    request, gives the same result. Nothing is stored.
    """
    asked = get_catalogue().validated_request(body)
    timeout_s = backend.settings.api.backtest_timeout_s
    result = await answer_in_time(request, backend.run_backtest(asked), timeout_s, "the backtest")
    backend.metrics.backtest_ended(result.variants_evaluated, result.elapsed_s.total)
    return result
