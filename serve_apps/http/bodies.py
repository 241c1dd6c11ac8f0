"""Bodies of requests: how many bytes, within what time, and how much of the memory one caller's may take."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from candleray.errors import CandlerayError, RequestTimeout
from candleray.settings import Settings
from serve_apps.fair_shares import FairShares
from serve_apps.http.access import CALLER
from serve_apps.http.errors import BodyRefused, error_response, too_large
from serve_apps.http.middleware import HttpLayer, has_body, want_body
from serve_apps.http.slots import holder_of


class Bodies(HttpLayer):
    """Lets the body of a request in once its sender is known and has room for it; little of one who is not."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        super().__init__(app)
        self.settings, rules = settings, settings.api
        self.memory = FairShares(
            "bytes of bodies in memory",
            total=rules.max_bodies_bytes,
            each=rules.max_bodies_bytes_per_user,
            waiting=rules.max_waiting_per_user,
            wait_s=rules.slot_wait_s,
        )

    async def around(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not has_body(scope):
            await self.app(scope, receive, send)
            return
        rules, known = self.settings.api, CALLER in scope
        most_bytes = rules.max_body_bytes if known else rules.max_public_body_bytes
        timeout_s = rules.body_timeout_s if known else rules.request_timeout_s
        declared = _declared_length(scope)
        async with AsyncExitStack() as held:
            try:
                if declared is not None and declared > most_bytes:
                    raise too_large(most_bytes)
                if known:
                    amount = most_bytes if declared is None else declared
                    await held.enter_async_context(self.memory.held(holder_of(scope, self.settings), amount))
            except CandlerayError as error:
                await error_response(error)(scope, receive, send)
                return
            await self.app(scope, _measured(scope, receive, most_bytes, timeout_s), send)


def _measured(scope: Scope, receive: Receive, most_bytes: int, timeout_s: float) -> Receive:
    """`receive`, which breaks off a body that is too long or too slow."""
    received, is_whole, time_left = 0, False, _TimeLeft(timeout_s)

    async def receive_measured() -> Message:
        nonlocal received, is_whole
        if is_whole:
            return await receive()
        want_body(scope)
        try:
            message = await time_left.received(receive)
        except TimeoutError:
            raise BodyRefused(
                RequestTimeout(
                    f"the body did not arrive within {timeout_s:g} s: send it whole, or in smaller parts"
                )
            ) from None
        received += len(message.get("body", b""))
        is_whole = not message.get("more_body", False)
        if received > most_bytes:
            raise BodyRefused(too_large(most_bytes))
        return message

    return receive_measured


class _TimeLeft:
    """Time within which a body must have come, and once a tenth more.

    A process whose loop stood still at the end of the time has not yet read what came meanwhile: it looks again.
    """

    def __init__(self, limit_s: float) -> None:
        self._now = asyncio.get_running_loop().time
        self._ends_at, self._more_s = self._now() + limit_s, limit_s / 10

    async def received(self, receive: Receive) -> Message:
        """Return the next message of the body.

        Raises:
            TimeoutError: it did not come in time.
        """
        try:
            async with asyncio.timeout_at(self._ends_at):
                return await receive()
        except TimeoutError:
            self._ends_at, self._more_s = self._now() + self._more_s, 0.0
        async with asyncio.timeout_at(self._ends_at):
            return await receive()


def _declared_length(scope: Scope) -> int | None:
    declared = Headers(scope=scope).get("content-length", "")
    return int(declared) if declared.isascii() and declared.isdigit() else None
