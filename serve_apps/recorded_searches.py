"""Searches on their user's record: candles sealed before one, and the trial that it becomes."""

from __future__ import annotations

from candleray.backtests.result import BacktestResult, SealedHoldout
from candleray.errors import ServiceUnavailable
from candleray.holdouts.seal import Reserved
from candleray.identity.models import User
from candleray.identity.tokens import Caller
from serve_apps.backend import Backend
from serve_apps.http.access import require_scope


async def seal(asked: Reserved, caller: Caller, backend: Backend) -> SealedHoldout | None:
    """Seal the candles that a request reserves, before anything is searched; None where it reserves none.

    Raises:
        Forbidden: the token may only read, and whoever seals takes from the user what could be read.
    """
    if asked.holdout is None:
        return None
    require_scope(caller, "trade")
    holdouts = await backend.holdouts()
    return (await holdouts.seal(caller.user.user_id, asked.request.instrument, asked.holdout)).sealed_as


async def on_record(result: BacktestResult, user: User, backend: Backend) -> BacktestResult:
    """Put a search on the user's record; an answer that was computed is not lost because that does not answer."""
    try:
        return await (await backend.trials()).count(user.user_id, result)
    except ServiceUnavailable as error:
        note = f"this search is not on your record of trials, and earlier ones are not counted: {error.message}"
        return result.model_copy(update={"notes": (*result.notes, note)})
