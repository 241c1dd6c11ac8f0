"""Synchronous backtests."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from candleray.backtests.result import BacktestResult
from serve_apps.backend import InBackend
from serve_apps.examples import backtests as examples
from serve_apps.http.access import needs
from serve_apps.http.backtest_body import InRequest
from serve_apps.http.callers import InUser
from serve_apps.http.json_body import StrictRoute
from serve_apps.http.openapi import example
from serve_apps.http.timeouts import answer_in_time

router = APIRouter(tags=["backtests"], route_class=StrictRoute)


@router.post("/backtests", response_model=BacktestResult, responses=example(examples.BACKTEST_RESULT))
@needs("read")
async def run_backtest(request: Request, backtest: InRequest, backend: InBackend, user: InUser) -> Any:
    """Search every variant of a request and answer with the best, ranked by total return.

    An axis is a scalar, `{"values": […]}` or `{"start", "stop", "step"}` with `stop` included. What is left out
    takes its default, and the answer echoes the resolved request. Each variant's `strategy`, sent back as a
    request or saved and run by its `strategy_id`, gives the same result. What is named beside a `strategy_id`
    replaces that part of the saved strategy. Nothing is stored. Searches of one user take turns, so that those of
    others never wait for many.
    """
    timeout_s = backend.settings.api.backtest_timeout_s

    async def in_turn() -> BacktestResult:
        async with backend.searches.held(f"user {user.user_id}"):
            return await backend.run_backtest(backtest)

    result = await answer_in_time(request, in_turn(), timeout_s, "the backtest")
    backend.metrics.backtest_ended(result.variants_evaluated, result.elapsed_s.total)
    return result
