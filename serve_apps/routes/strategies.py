"""Saved strategies: each belongs to one user, and none ever changes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Path, Query
from pydantic import Field

from candleray.errors import invalid
from candleray.identity.models import User
from candleray.indicators.catalogue import get_catalogue
from candleray.indicators.request_models import get_request_models
from candleray.markets import MarketId, Symbol
from candleray.paging import CURSOR_PATTERN, position_of
from candleray.strategies.saving import clone_of, name_of, spec_of, variant_content
from candleray.strategies.store import Strategies
from candleray.strategies.strategy import (
    NewStrategy,
    Strategy,
    StrategyChanges,
    StrategyFilter,
    StrategyPage,
    StrategySpec,
    changed,
)
from candleray.timeframes import Timeframe
from candleray.trials.trial import Trial
from serve_apps.backend import Backend, InBackend
from serve_apps.examples import strategies as examples
from serve_apps.http.callers import InUser
from serve_apps.http.json_body import StrictRoute
from serve_apps.http.openapi import example

if TYPE_CHECKING:
    NarrowNewStrategy = NewStrategy
    NarrowChanges = StrategyChanges
else:
    NarrowNewStrategy = get_request_models().new_strategy
    NarrowChanges = get_request_models().strategy_changes

router = APIRouter(prefix="/strategies", tags=["strategies"], route_class=StrictRoute)

StrategyId = Annotated[UUID, Path(description="of the strategy", examples=[examples.STRATEGY_ID])]


async def _strategies(backend: Backend) -> Strategies:
    return Strategies(await backend.postgres(), backend.settings.strategies.max_per_user)


@router.post("", response_model=Strategy, responses=example(examples.STRATEGY))
async def save_strategy(
    body: Annotated[NarrowNewStrategy, Body(openapi_examples=examples.NEW_STRATEGIES)],
    user: InUser,
    backend: InBackend,
) -> Any:
    """Save a strategy, such as the `strategy` of a backtest's variant or a job's variant; it never changes.

    The verdict of its search is kept with it: that of the job, or of the search with this `request_hash`. Its time
    range is not saved. What is left out takes its default now, for good. Content that is saved already
    is answered with the strategy that has it.
    """
    content = await _content(body, user, backend)
    spec = spec_of(get_request_models().validated_draft(content), backend.settings.backtests)
    trial = await _trial(body, spec, user, backend)
    return await (await _strategies(backend)).save(user.user_id, name_of(spec), spec, trial=trial)


async def _trial(body: NewStrategy, spec: StrategySpec, user: User, backend: Backend) -> Trial | None:
    """Return the search that a new strategy comes from; None where nobody says so, or the job has not ended.

    Raises:
        NotFound: the user has made no such search.
        InvalidInput: that search was over other candles.
    """
    trials = await backend.trials()
    if body.variant is not None:
        job = await (await backend.jobs()).get(user.user_id, body.variant.job_id)
        return await trials.find(user.user_id, job.request_hash) if job.ended else None
    if body.request_hash is None:
        return None
    trial = await trials.get(user.user_id, body.request_hash)
    if (trial.instrument, trial.timeframe) != (spec.instrument, spec.timeframe):
        searched = f"{trial.instrument.key} {trial.timeframe}"
        message = f"that search was over {searched}, the strategy trades {spec.instrument.key} {spec.timeframe}"
        raise invalid("request_hash", "another_search", message)
    return trial


async def _content(body: NewStrategy, user: User, backend: Backend) -> dict[str, Any]:
    if body.strategy is not None:
        return body.strategy.model_dump(exclude_unset=True)
    assert body.variant is not None
    request = await (await backend.jobs()).request(user.user_id, body.variant.job_id)
    return await asyncio.to_thread(variant_content, request, body.variant.variant_index)


class StrategiesQuery(StrategyFilter):
    market_id: MarketId | None = Field(None, description="of one market alone", examples=[1])
    symbol: Symbol | None = Field(None, description="of one symbol alone", examples=["BTCUSDT"])
    timeframe: Timeframe | None = Field(None, description="of one timeframe alone", examples=["1h"])
    indicator: str | None = Field(
        None, pattern=r"^[a-z0-9_]{1,64}$", description="those that use this indicator", examples=["sma"]
    )
    name: str | None = Field(
        None, pattern=r"^[A-Za-z0-9_.-]{1,300}$", description="part of the name", examples=["sma50"]
    )
    limit: int = Field(50, ge=1, le=500, description="strategies on a page")
    cursor: str | None = Field(None, pattern=CURSOR_PATTERN, description="`next_cursor` of the page before")


@router.get("", response_model=StrategyPage, responses=example(examples.STRATEGIES))
async def list_strategies(query: Annotated[StrategiesQuery, Query()], user: InUser, backend: InBackend) -> Any:
    """The user's strategies, the newest first, a page at a time."""
    if query.indicator is not None:
        get_catalogue().find(query.indicator)
    after = None if query.cursor is None else position_of(query.cursor)
    return await (await _strategies(backend)).page(user.user_id, query, after, query.limit)


@router.get("/{strategy_id}", response_model=Strategy, responses=example(examples.STRATEGY))
async def get_strategy(strategy_id: StrategyId, user: InUser, backend: InBackend) -> Any:
    """One strategy of the user with everything that makes it: with a `time_range` its `spec` is a request."""
    strategy = await (await _strategies(backend)).get(user.user_id, strategy_id)
    opened = await (await backend.holdouts()).of_strategy(user.user_id, strategy_id)
    return strategy.model_copy(update={"holdouts": tuple(one.of_strategy(strategy_id) for one in opened)})


@router.post("/{strategy_id}/clone", response_model=Strategy, responses=example(examples.CLONE))
async def clone_strategy(
    strategy_id: StrategyId,
    body: Annotated[NarrowChanges, Body(openapi_examples=examples.STRATEGY_CHANGES)],
    user: InUser,
    backend: InBackend,
) -> Any:
    """Save a new strategy made from another, which it records as its parent.

    Each part that is named replaces the parent's whole part: `indicators` all of its indicators.
    """
    strategies = await _strategies(backend)
    parent = await strategies.get(user.user_id, strategy_id)
    draft = get_request_models().validated_draft(changed(parent.spec, body.given))
    spec = clone_of(parent, draft, backend.settings.backtests)
    return await strategies.save(user.user_id, name_of(spec), spec, strategy_id)


@router.delete("/{strategy_id}", response_model=Strategy, responses=example(examples.DELETED_STRATEGY))
async def delete_strategy(strategy_id: StrategyId, user: InUser, backend: InBackend) -> Any:
    """Delete a strategy: it is listed and found no more, and its content may be saved again."""
    return await (await _strategies(backend)).delete(user.user_id, strategy_id)
