"""Cancellations that come in the moment of an answer."""

from __future__ import annotations

import asyncio

import pytest

from candleray.databases.cancellation import heeding_cancellation
from candleray.databases.valkey import Valkey


async def answered_as_cancelled() -> str:
    """Swallow a cancellation as `asyncio.wait_for` of Python 3.11 does."""
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        return "the answer"
    raise AssertionError("nobody cancelled it")


async def test_a_swallowed_one_is_raised_where_the_block_ends() -> None:
    told = []

    async def ask() -> None:
        async with heeding_cancellation():
            told.append(await answered_as_cancelled())
        told.append("went on")

    asking = asyncio.create_task(ask())
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait([asking])
    assert asking.cancelled()
    assert told == ["the answer"]


async def test_a_limit_of_time_around_the_block_stays_one() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01), heeding_cancellation():
            await answered_as_cancelled()
    async with heeding_cancellation():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.sleep(60)


async def test_who_cleans_up_after_its_cancellation_may_ask(valkey: Valkey) -> None:
    asked = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await valkey.ping()
            asked.append(True)

    working = asyncio.create_task(work())
    await asyncio.sleep(0)
    working.cancel()
    await asyncio.wait([working])
    assert asked == [True]


async def test_a_task_that_asks_without_end_ends_whenever_it_is_cancelled(valkey: Valkey) -> None:
    """Some went on, and swallowed the next one too, before cancellations were heeded."""

    async def ask_on() -> None:
        while True:
            async with valkey.answering() as client:
                await client.xread({"nobody writes here": "$"}, block=1)

    for moment in range(100):
        asking = asyncio.create_task(ask_on())
        await asyncio.sleep(0.002 + moment * 37 % 100 / 20_000)
        asking.cancel()
        _, going_on = await asyncio.wait([asking], timeout=10)
        assert not going_on
