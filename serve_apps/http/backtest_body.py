"""Request body of a backtest: an ad-hoc grid, or a saved strategy over a time range."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Body, Depends
from pydantic import Discriminator, Tag

from candleray.backtests.request import BacktestRequest
from candleray.holdouts.seal import Reserved, refuse_sealed, reserved
from candleray.identity.models import User
from candleray.indicators.request_models import get_request_models
from candleray.strategies.store import Strategies
from candleray.strategies.strategy import SavedBacktest, request_of
from serve_apps.backend import Backend, InBackend
from serve_apps.examples import backtests, strategies
from serve_apps.http.callers import InUser

if TYPE_CHECKING:
    AnyBacktest = BacktestRequest | SavedBacktest
else:

    def _kind(value: Any) -> str:
        saved = "strategy_id" in value if isinstance(value, dict) else isinstance(value, SavedBacktest)
        return "<saved>" if saved else "<grid>"

    AnyBacktest = Annotated[
        Annotated[get_request_models().backtest, Tag("<grid>")]
        | Annotated[get_request_models().saved_backtest, Tag("<saved>")],
        Discriminator(_kind),
    ]

_EXAMPLES: Any = {**backtests.BACKTEST_REQUESTS, **strategies.SAVED_BACKTESTS}


async def _asked(
    body: Annotated[AnyBacktest, Body(openapi_examples=_EXAMPLES)], user: InUser, backend: InBackend
) -> Reserved:
    asked = reserved(await _validated(body, user, backend))
    sealed = await (await backend.holdouts()).sealed(user.user_id)
    refuse_sealed(sealed, asked.request, asked.request.time_range.end_ms)
    return asked


async def _validated(body: BacktestRequest | SavedBacktest, user: User, backend: Backend) -> BacktestRequest:
    if not isinstance(body, SavedBacktest):
        return get_request_models().validated_request(body)
    strategy = await Strategies(await backend.postgres()).get(user.user_id, body.strategy_id)
    request = request_of(strategy.spec, body.time_range, body.replaced)
    return get_request_models().validated_request(request.model_dump(exclude_unset=True))


InAsked = Annotated[Reserved, Depends(_asked)]
"""The request of the body without the candles that it reserves, and these."""


async def _requested(asked: InAsked) -> BacktestRequest:
    return asked.request


InRequest = Annotated[BacktestRequest, Depends(_requested)]
"""The request of the body, with every name and bound checked: another user's strategy is not found, what would
read sealed candles is refused, and what it reserves is cut off."""
