"""Calls of the candle store actor, for `candleray.market_data.candle_store_client`."""

from __future__ import annotations

import asyncio
from typing import Any

from actors.candle_store import candle_store
from actors.own_errors import own_errors
from candleray.errors import ServiceUnavailable
from candleray.settings import Settings

TIMEOUT_S = 120.0
"""The longest call: a restarted store repairs before it answers."""


class ActorCall:
    """Calls of the candle store actor by the method's name."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._handle: Any = None

    async def __call__(self, method: str, *arguments: Any) -> Any:
        if self._handle is None:
            self._handle = await asyncio.to_thread(candle_store, self._settings)
        answer = getattr(self._handle, method).remote(*arguments)
        try:
            with own_errors("the candle store"):
                async with asyncio.timeout(TIMEOUT_S):
                    return await answer
        except TimeoutError as exc:
            raise ServiceUnavailable(f"the candle store did not answer within {TIMEOUT_S:g} s") from exc
        except ServiceUnavailable:
            # The actor may be gone for good; the next call looks for it anew.
            self._handle = None
            raise
