"""Candles as one user may read them: all but those that are sealed by a holdout."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import Depends

from candleray.holdouts.seal import SealedCalls
from candleray.market_data.candle_store_client import CandleStoreClient
from serve_apps.backend import InBackend
from serve_apps.http.callers import InUser


async def _own_candles(user: InUser, backend: InBackend) -> CandleStoreClient:
    sealed = await (await backend.holdouts()).sealed(user.user_id)
    return backend.candles.through(partial(SealedCalls, sealed=sealed)) if sealed else backend.candles


InCandles = Annotated[CandleStoreClient, Depends(_own_candles)]
