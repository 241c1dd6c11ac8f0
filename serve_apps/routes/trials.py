"""Trials: the searches that a user has made."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from candleray.markets import MarketId, Symbol
from candleray.paging import CURSOR_PATTERN, position_of
from candleray.trials.trial import TrialPage
from candleray.validation import Model
from serve_apps.backend import InBackend
from serve_apps.examples import trials as examples
from serve_apps.http.callers import InUser
from serve_apps.http.openapi import example

router = APIRouter(prefix="/trials", tags=["trials"])


class TrialsQuery(Model):
    market_id: MarketId | None = Field(None, description="of one market alone", examples=[1])
    symbol: Symbol | None = Field(None, description="of one symbol alone", examples=["BTCUSDT"])
    limit: int = Field(50, ge=1, le=500, description="trials on a page")
    cursor: str | None = Field(None, pattern=CURSOR_PATTERN, description="`next_cursor` of the page before")


@router.get("", response_model=TrialPage, responses=example(examples.TRIALS))
async def list_trials(query: Annotated[TrialsQuery, Query()], user: InUser, backend: InBackend) -> Any:
    """Your searches, the newest first, a page at a time: what each tried, and what its verdict said.

    A verdict counts the earlier searches over candles of the same symbol in the same time. None is ever deleted.
    """
    after = None if query.cursor is None else position_of(query.cursor)
    return await (await backend.trials()).page(user.user_id, query.market_id, query.symbol, after, query.limit)
