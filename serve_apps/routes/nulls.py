"""Null models of a search."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from candleray.backtests.chance.null_model import NullModel, NullQuery
from candleray.errors import invalid
from candleray.search.nulls.null_search import nulls, of_best
from serve_apps.backend import InBackend
from serve_apps.examples import nulls as examples
from serve_apps.http.access import needs
from serve_apps.http.backtest_body import InAsked
from serve_apps.http.callers import InUser
from serve_apps.http.json_body import StrictRoute
from serve_apps.http.openapi import example
from serve_apps.http.timeouts import answer_in_time
from serve_apps.recorded_searches import on_record

router = APIRouter(tags=["backtests"], route_class=StrictRoute)


@router.post("/backtests/null", response_model=NullModel, responses=example(examples.NULL_MODEL))
@needs("read")
async def run_null_model(
    request: Request,
    asked: InAsked,
    query: Annotated[NullQuery, Query()],
    backend: InBackend,
    user: InUser,
) -> Any:
    """Search the candles, then histories of chance, and say how often luck alone reaches the best.

    A history depends on the seed and its number alone: ask for those that follow by `first`, and what was cut off
    goes on where it ended. The search over the candles is put on the record of trials, as every search is.
    """
    settings = backend.settings
    if asked.holdout is not None:
        raise invalid(
            "holdout", "not_sealed_here", "only a search seals candles: search with holdout, then leave it out"
        )
    whole = of_best(asked.request, settings)

    async def in_turn() -> NullModel:
        async with backend.searches.held(f"user {user.user_id}"):
            result = await on_record(await backend.run_backtest(whole), user, backend)
            return await nulls(result, query, backend.candles, settings, backend.compute)

    return await answer_in_time(request, in_turn(), settings.api.backtest_timeout_s, "the null model")
