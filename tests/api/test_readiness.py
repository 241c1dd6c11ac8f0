"""Readiness answers within its time, whatever hangs behind it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from serve_apps.http.readiness import check_readiness


async def test_a_probe_that_cannot_be_cancelled_keeps_nobody_waiting_and_is_asked_once() -> None:
    asked, over = [], asyncio.Event()

    async def hangs() -> None:
        asked.append(1)
        while not over.is_set():
            with suppress(asyncio.CancelledError):  # as a driver that tidies up first
                await over.wait()

    async def fails() -> None:
        raise OSError(28, "No space left on device")

    async with asyncio.timeout(30):
        for _ in range(3):
            seen = await check_readiness({"postgres": hangs, "valkey": fails}, timeout_s=0.05)
    assert not seen.ready
    assert seen.services["postgres"].reason == "no answer within 0.05 s"
    assert seen.services["valkey"].reason == "OSError"
    assert len(asked) == 1
    over.set()
    await asyncio.sleep(0)
    seen = await check_readiness({"postgres": hangs}, timeout_s=30)
    assert seen.ready


async def test_what_an_operator_should_know_of_a_service_that_is_up_is_told_beside_its_state() -> None:
    async def whole() -> str:
        return ""

    async def mended() -> str:
        return "1 broken part set aside"

    seen = await check_readiness({"clickhouse": mended, "valkey": whole}, timeout_s=30)
    assert seen.ready
    assert {name: (each.state, each.notice) for name, each in seen.services.items()} == {
        "clickhouse": ("up", "1 broken part set aside"),
        "valkey": ("up", None),
    }
