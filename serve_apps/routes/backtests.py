"""Synchronous backtests."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field

from candleray.backtests.explanation import Explanation
from candleray.backtests.result import BacktestResult
from candleray.validation import Model
from serve_apps.backend import InBackend
from serve_apps.examples import backtests as examples
from serve_apps.http.access import needs
from serve_apps.http.backtest_body import InAsked, InRequest
from serve_apps.http.callers import InCaller, InUser
from serve_apps.http.json_body import StrictRoute
from serve_apps.http.openapi import example
from serve_apps.http.timeouts import answer_in_time
from serve_apps.recorded_searches import on_record, seal

router = APIRouter(tags=["backtests"], route_class=StrictRoute)


@router.post("/backtests", response_model=BacktestResult, responses=example(examples.BACKTEST_RESULT))
@needs("read")
async def run_backtest(request: Request, asked: InAsked, backend: InBackend, caller: InCaller) -> Any:
    """Search every variant of a request and answer with the best, ranked by total return or by `rank_by`.

    An axis is a scalar, `{"values": […]}` or `{"start", "stop", "step"}` with `stop` included. What is left out
    takes its default, and the answer echoes the resolved request. Each variant's `strategy`, sent back as a
    request or saved and run by its `strategy_id`, gives the same result. What is named beside a `strategy_id`
    replaces that part of the saved strategy. The answer is not stored; that the search was made is, as a trial:
    earlier ones over the same candles count in the verdict. `holdout` leaves the last months of the range out and
    seals them for you, which needs the scope `trade`. Searches of one user take turns, so that those of others
    never wait for many.
    """
    timeout_s = backend.settings.api.backtest_timeout_s
    sealed = await seal(asked, caller, backend)

    async def in_turn() -> BacktestResult:
        async with backend.searches.held(f"user {caller.user.user_id}"):
            return await backend.run_backtest(asked.request)

    result = await answer_in_time(request, in_turn(), timeout_s, "the backtest")
    backend.metrics.backtest_ended(result.variants_evaluated, result.elapsed_s.total)
    counted = await on_record(result, caller.user, backend)
    return counted.model_copy(update={"holdout": sealed}) if sealed else counted


class ExplainQuery(Model):
    variant_index: int = Field(0, ge=0, description="the variant that is looked at; the first one if not given")


@router.post("/backtests/explain", response_model=Explanation, responses=example(examples.EXPLANATION))
@needs("read")
async def explain_backtest(
    request: Request,
    backtest: InRequest,
    query: Annotated[ExplainQuery, Query()],
    backend: InBackend,
    user: InUser,
) -> Any:
    """Say a request in plain English, and what one of its variants finds on the range.

    It has, of each condition by its path, the share of bars on which it was true; the first bars that may open a
    position; and where a side never opens, the conditions to blame. The guards are asked about that variant alone.
    """
    timeout_s = backend.settings.api.backtest_timeout_s

    async def in_turn() -> Explanation:
        async with backend.searches.held(f"user {user.user_id}"):
            return await backend.explain(backtest, query.variant_index)

    return await answer_in_time(request, in_turn(), timeout_s, "the explanation")
