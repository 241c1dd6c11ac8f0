"""Portfolios: several strategies over one account."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Request

from candleray.backtests.request import BacktestRequest
from candleray.errors import InvalidInput, NotFound, Problem
from candleray.holdouts.seal import refuse_sealed
from candleray.identity.models import User
from candleray.indicators.request_models import get_request_models
from candleray.portfolio.member_requests import named_requests
from candleray.portfolio.portfolio_request import MembersOverRange, PortfolioRequest, SuggestionRequest
from candleray.portfolio.portfolio_result import PortfolioResult, Suggestion
from candleray.portfolio.reading import backtested
from candleray.portfolio.suggesting import suggested
from candleray.strategies.store import Strategies
from candleray.strategies.strategy import Strategy
from serve_apps.backend import Backend, InBackend
from serve_apps.examples import portfolios as examples
from serve_apps.http.access import needs
from serve_apps.http.callers import InUser
from serve_apps.http.json_body import StrictRoute
from serve_apps.http.openapi import example
from serve_apps.http.timeouts import answer_in_time

router = APIRouter(prefix="/portfolios", tags=["portfolios"], route_class=StrictRoute)

InSuggestion = Annotated[SuggestionRequest, Body(openapi_examples=examples.SUGGESTION_REQUESTS)]
InPortfolio = Annotated[PortfolioRequest, Body(openapi_examples=examples.PORTFOLIO_REQUESTS)]


@router.post("/backtests", response_model=PortfolioResult, responses=example(examples.PORTFOLIO_RESULT))
@needs("read")
async def backtest_portfolio(request: Request, asked: InPortfolio, backend: InBackend, user: InUser) -> Any:
    """Run several strategies over one account: shares, rebalances, limits that refuse, shrink or halt.

    Members are saved strategies or written out, of any instruments and timeframes. What each would do is its own
    backtest's; the account decides how much each entry spends. The answer is not stored. The same request over the
    same candles has the same bytes.
    """
    settings = backend.settings

    async def in_turn() -> PortfolioResult:
        async with backend.searches.held(f"user {user.user_id}"):
            strategies = await strategies_of(asked, user, backend)
            return await backtested(asked, strategies, backend.candles, settings, backend.compute)

    return await answer_in_time(request, in_turn(), settings.api.backtest_timeout_s, "the portfolio")


@router.post("/suggestions", response_model=Suggestion, responses=example(examples.SUGGESTION))
@needs("read")
async def suggest_portfolio(request: Request, asked: InSuggestion, backend: InBackend, user: InUser) -> Any:
    """Choose the strategies that together have the best Sharpe ratio, no two of them much alike.

    It is that of the mean of their daily returns, each alone and with everything in; no two may correlate more
    than `max_correlation`. The choice is made in sample, and the answer says so.
    """
    settings = backend.settings

    async def in_turn() -> Suggestion:
        async with backend.searches.held(f"user {user.user_id}"):
            strategies = await strategies_of(asked, user, backend)
            return await suggested(asked, strategies, backend.candles, settings, backend.compute)

    return await answer_in_time(request, in_turn(), settings.api.backtest_timeout_s, "the suggestion")


async def strategies_of(
    asked: MembersOverRange, user: User, backend: Backend
) -> Sequence[tuple[str, BacktestRequest]]:
    """Return the name of each member and its backtest, with every name and bound checked."""
    saved = await _saved(asked, user, backend)
    strategies = await asyncio.to_thread(lambda: _checked(list(named_requests(asked, saved))))
    sealed = await (await backend.holdouts()).sealed(user.user_id)
    for _, strategy in strategies if sealed else ():
        refuse_sealed(sealed, strategy, asked.time_range.end_ms)
    return strategies


async def _saved(asked: MembersOverRange, user: User, backend: Backend) -> dict[UUID, Strategy]:
    """Return the caller's own strategies among those that members name."""
    ids = {member.strategy_id for member in asked.members if member.strategy_id is not None}
    if not ids:
        return {}
    store, found = Strategies(await backend.postgres()), {}
    for strategy_id in sorted(ids):
        try:
            found[strategy_id] = await store.get(user.user_id, strategy_id)
        except NotFound:
            continue
    return found


def _checked(strategies: list[tuple[str, BacktestRequest]]) -> list[tuple[str, BacktestRequest]]:
    """
    Raises:
        InvalidInput: one problem a field, each with the place of its member.
    """
    checked = []
    for at, (name, strategy) in enumerate(strategies):
        try:
            content = strategy.model_dump(exclude_unset=True)
            checked.append((name, get_request_models().validated_request(content)))
        except InvalidInput as refused:
            problems = [
                Problem(f"members.{at}.{one.field}", one.code, f"member {at}: {one.message}")
                for one in refused.problems
            ]
            raise InvalidInput(f"member {at}: {refused.message}", problems) from None
    return checked
