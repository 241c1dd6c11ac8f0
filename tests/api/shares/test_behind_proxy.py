"""Layers between the instance's HAProxy and Serve."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse

from serve_apps.http.behind_proxy import CallersAddress, UnreadBodies
from serve_apps.http.middleware import want_body


async def told(scope: Any, receive: Any, send: Any) -> None:
    request = Request(scope)
    assert request.client is not None
    await JSONResponse({"address": request.client.host, **request.headers})(scope, receive, send)


async def asked(path: str, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(CallersAddress(told, key="the-key"))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        return await client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})


async def test_the_proxy_s_word_is_the_caller_s_address_and_its_key_goes_no_further():
    answer = (await asked("/me", X_Candleray_Peer="the-key 9.9.9.9")).json()
    assert answer["address"] == "9.9.9.9"
    assert "the-key" not in str(answer)


async def test_who_comes_past_the_proxy_is_refused_whatever_he_says():
    for headers in ({}, {"X_Candleray_Peer": "a-key 9.9.9.9"}, {"X_Candleray_Peer": " 9.9.9.9"}):
        answer = await asked("/me", **headers)
        assert answer.status_code == 403
        assert answer.json()["error"]["code"] == "forbidden"


async def test_serve_s_own_checks_need_no_key():
    assert (await asked("/-/healthz")).status_code == 200


async def test_no_byte_of_a_body_is_read_before_it_is_wanted():
    """Serve reads whatever comes, whether anybody asks for it or not."""
    read, wanted = [], asyncio.Event()

    async def receive() -> Any:
        read.append(1)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        ahead = asyncio.ensure_future(receive())
        await wanted.wait()
        assert read == []
        want_body(scope)
        await ahead

    scope = {"type": "http", "path": "/", "headers": [(b"content-length", b"9")]}
    serving = asyncio.ensure_future(UnreadBodies(serve)(scope, receive, receive))
    await asyncio.sleep(0.01)
    wanted.set()
    await serving
    assert read == [1]
