"""Patience with a service that starts anew, or all of whose connections others have."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from candleray.errors import CandlerayError, InstanceError
from candleray.logs import get_logger

log = get_logger("databases")
T = TypeVar("T")


async def patiently(call: Callable[[], Awaitable[T]], pause_s: float = 0.5, for_s: float = 60.0) -> T:
    """Call again until the service answers.

    Raises:
        CandlerayError: it has not answered for so long.
        InstanceError: at once; waiting gives no setting its address.
    """
    give_up_at = time.monotonic() + for_s
    while True:
        try:
            return await call()
        except InstanceError:
            raise
        except CandlerayError as error:
            if time.monotonic() > give_up_at:
                raise
            log.warning("service_is_awaited", reason=error.message, pause_s=pause_s)
            await asyncio.sleep(pause_s)
