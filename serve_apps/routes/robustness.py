"""Robustness checks of one strategy."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from candleray.backtests.robustness import Robustness, RobustnessQuery
from candleray.search.robustness.checking import checked
from serve_apps.backend import InBackend
from serve_apps.examples import robustness as examples
from serve_apps.http.access import needs
from serve_apps.http.backtest_body import InRequest
from serve_apps.http.callers import InUser
from serve_apps.http.json_body import StrictRoute
from serve_apps.http.openapi import example
from serve_apps.http.timeouts import answer_in_time

router = APIRouter(tags=["backtests"], route_class=StrictRoute)


@router.post("/backtests/robustness", response_model=Robustness, responses=example(examples.ROBUSTNESS))
@needs("read")
async def check_robustness(
    request: Request,
    backtest: InRequest,
    query: Annotated[RobustnessQuery, Query()],
    backend: InBackend,
    user: InUser,
) -> Any:
    """Run one strategy beside itself with one thing otherwise: costs, delays, parameters, years, chance.

    The answer is a table with the strategy as it is beside every case, and names the worst in words. The guards
    are asked about that variant alone, and the time that all cases take is limited as that of a backtest is. The
    same request over the same candles has the same bytes.
    """
    settings = backend.settings

    async def in_turn() -> Robustness:
        async with backend.searches.held(f"user {user.user_id}"):
            return await checked(backtest, query, backend.candles, settings, backend.compute)

    return await answer_in_time(request, in_turn(), settings.api.backtest_timeout_s, "the robustness check")
