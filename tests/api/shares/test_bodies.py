"""The time that a body has: what its sender sent counts, not what this process's own loop was busy with."""

from __future__ import annotations

import asyncio
import time

from starlette.types import Message, Receive, Scope, Send

from candleray.settings import Settings
from serve_apps.http.bodies import Bodies
from serve_apps.http.errors import BodyRefused

TIMEOUT_S = 0.2
WHOLE: Message = {"type": "http.request", "body": b"{}", "more_body": False}
PIECE: Message = {"type": "http.request", "body": b" ", "more_body": True}


async def read_to_its_end(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive())["more_body"]:
        pass


async def arrived(receive: Receive) -> bool:
    scope = {"type": "http", "headers": [(b"content-length", b"2")]}
    bodies = Bodies(read_to_its_end, Settings.model_validate({"api": {"request_timeout_s": TIMEOUT_S}}))
    try:
        await bodies(scope, receive, asyncio.Queue[Message]().put)
    except BodyRefused:
        return False
    return True


async def test_a_body_that_came_while_the_loop_stood_still_has_come_in_time() -> None:
    messages, loop = asyncio.Queue[Message](), asyncio.get_running_loop()

    def stand_still() -> None:
        loop.call_soon(messages.put_nowait, WHOLE)
        time.sleep(2 * TIMEOUT_S)

    loop.call_soon(stand_still)
    assert await arrived(messages.get)


async def test_a_body_that_comes_by_and_by_is_refused_soon_after_its_time() -> None:
    async def next_piece() -> Message:
        await asyncio.sleep(TIMEOUT_S / 50)
        return PIECE

    began_s = time.monotonic()
    assert not await arrived(next_piece)
    assert time.monotonic() - began_s < 20 * TIMEOUT_S
