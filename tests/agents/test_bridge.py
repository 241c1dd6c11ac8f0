"""Requests of a call go over the loop, and end when the call is ended."""

from __future__ import annotations

import asyncio
import gzip

import httpx
import pytest

from candleray import Client, ServiceUnavailable
from candleray.agents.protocol.bridge import Bridge


def asks(bridge: Bridge, path: str = "/health") -> bytes:
    with Client("http://api", token="crt_x", transport=bridge) as client:
        return client.send("GET", path)


async def test_the_answer_comes_as_it_was_sent():
    async def send(request: httpx.Request) -> httpx.Response:
        packed = gzip.compress(f"{request.url.path} {request.headers['authorization']}".encode())
        return httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(packed))

    assert await asyncio.to_thread(asks, Bridge(send), "/me") == b"/me Bearer crt_x"


async def test_a_call_that_is_ended_hangs_up_and_asks_nothing_more():
    begun, hung_up = asyncio.Event(), asyncio.Event()

    async def send(request: httpx.Request) -> httpx.Response:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            hung_up.set()
        raise AssertionError

    bridge = Bridge(send)
    asking = asyncio.create_task(asyncio.to_thread(asks, bridge))
    await begun.wait()
    bridge.cut()
    with pytest.raises(ServiceUnavailable, match="ended by who made it"):
        await asking
    assert hung_up.is_set()
    with pytest.raises(ServiceUnavailable, match="ended by who made it"):
        await asyncio.to_thread(asks, bridge)


async def test_a_call_that_is_ended_sleeps_no_longer():
    bridge = Bridge(httpx.AsyncClient().send)
    sleeping = asyncio.create_task(asyncio.to_thread(bridge.sleep, 60))
    await asyncio.sleep(0)
    bridge.cut()
    with pytest.raises(ServiceUnavailable, match="ended by who made it"):
        await sleeping
    await asyncio.to_thread(Bridge(httpx.AsyncClient().send).sleep, 0.001)
