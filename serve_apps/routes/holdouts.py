"""Holdouts: sealed candles of a user, opened once."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Path, Request

from candleray.holdouts.holdout import Chosen, Holdout, HoldoutPage
from candleray.holdouts.opening import opened
from candleray.strategies.store import Strategies
from serve_apps.backend import InBackend
from serve_apps.examples import holdouts as examples
from serve_apps.http.callers import InUser
from serve_apps.http.json_body import StrictRoute
from serve_apps.http.openapi import example
from serve_apps.http.timeouts import answer_in_time

router = APIRouter(prefix="/holdouts", tags=["holdouts"], route_class=StrictRoute)

HoldoutId = Annotated[UUID, Path(description="of the holdout", examples=[examples.HOLDOUT_ID])]


@router.get("", response_model=HoldoutPage, responses=example({"holdouts": [examples.SEALED]}))
async def list_holdouts(user: InUser, backend: InBackend) -> Any:
    """Your holdouts, the newest first.

    A search with `"holdout": {"months": 3}` seals the last months of its range.
    """
    return HoldoutPage(holdouts=await (await backend.holdouts()).all(user.user_id))


@router.get("/{holdout_id}", response_model=Holdout, responses=example(examples.OPENED))
async def get_holdout(holdout_id: HoldoutId, user: InUser, backend: InBackend) -> Any:
    """One holdout: sealed, or with what the chosen strategies did when it was opened."""
    return await (await backend.holdouts()).get(user.user_id, holdout_id)


@router.post("/{holdout_id}/open", response_model=Holdout, responses=example(examples.OPENED))
async def open_holdout(
    request: Request,
    holdout_id: HoldoutId,
    body: Annotated[Chosen, Body(openapi_examples=examples.CHOSEN)],
    user: InUser,
    backend: InBackend,
) -> Any:
    """Run saved strategies over the sealed candles, once, and break the seal.

    What they did stays on record, also on each strategy. Without a strategy the holdout is spent without a look.
    """
    postgres = await backend.postgres()

    async def in_turn() -> Holdout:
        async with backend.searches.held(f"user {user.user_id}"):
            return await opened(
                await backend.holdouts(),
                Strategies(postgres),
                backend.run_backtest,
                user.user_id,
                holdout_id,
                body.strategies,
            )

    return await answer_in_time(request, in_turn(), backend.settings.api.backtest_timeout_s, "the opening")
