"""Shares of what callers use together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest

from candleray.backtests.request import BacktestRequest
from candleray.backtests.result import BacktestResult
from candleray.errors import Busy, NotFound, TooManyRequests
from serve_apps.fair_shares import FairShares
from tests.support.api.accounts import GRID
from tests.support.api.in_process_api import backend, serving_strangers, token_of
from tests.support.waiting import let_work_until


def shares(total: int = 4, each: int = 2, waiting: int = 10, wait_s: float = 60) -> FairShares:
    return FairShares("things", total, each, waiting, wait_s)


@asynccontextmanager
async def holding(of: FairShares, *holders: str) -> AsyncIterator[None]:
    async with AsyncExitStack() as held:
        for who in holders:
            await held.enter_async_context(of.held(who))
        yield


async def test_one_caller_has_no_more_than_its_share_and_another_one_still_gets_in():
    some = shares(waiting=0)
    async with holding(some, "a", "a"):
        with pytest.raises(TooManyRequests, match="at most 2"):
            async with some.held("a"):
                pass
        async with some.held("b"):
            assert some.in_use == 3
    assert some.in_use == 0


async def test_everybody_together_has_no_more_than_all():
    some = shares(wait_s=0.01)
    async with holding(some, "a", "a", "b", "b"):
        with pytest.raises(Busy, match="at most 4"):
            async with some.held("c"):
                pass


async def test_who_waits_in_vain_is_told_whose_share_is_in_use():
    some = shares(wait_s=0.01)
    async with holding(some, "a", "a"):
        with pytest.raises(TooManyRequests):
            async with some.held("a"):
                pass


async def test_turns_go_to_who_holds_least_however_many_wait_before():
    some, served = shares(total=2, each=2), []

    async def take(who: str) -> None:
        async with some.held(who):
            served.append(who)
            await asyncio.sleep(0)

    async with holding(some, "a", "a"):
        waiting = [asyncio.ensure_future(take("a")) for _ in range(5)]
        await asyncio.sleep(0)
        waiting.append(asyncio.ensure_future(take("b")))
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert "b" in served[:2]
    assert len(served) == 6
    assert some.in_use == 0


async def test_who_leaves_the_line_keeps_nothing():
    some = shares(total=1, each=1)
    async with holding(some, "a"):
        leaving, staying = (asyncio.ensure_future(some._take("b", 1)) for _ in range(2))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.sleep(0)
    await staying
    assert some.in_use == 1
    some._give_back("b", 1)
    assert some.in_use == 0
    assert not some._lines
    assert not some._served


async def test_amounts_count_and_one_that_is_larger_than_a_share_takes_all_of_it():
    some = FairShares("bytes", total=100, each=60, waiting=0, wait_s=1)
    async with some.held("a", 1000):
        assert some.in_use == 60
        with pytest.raises(TooManyRequests):
            async with some.held("a", 1):
                pass
        async with some.held("b", 40):
            assert some.in_use == 100


async def test_searches_of_one_user_take_turns_and_another_s_begins_at_once():
    began: list[BacktestRequest] = []
    going_on = asyncio.Event()

    async def search(request: BacktestRequest) -> BacktestResult:
        began.append(request)
        await going_on.wait()
        raise NotFound("nothing is searched here")

    behind = replace(backend(object(), api={"max_searches_per_user": 1}), run_backtest=search)
    async with serving_strangers(behind) as api:
        many, other = [{"Authorization": f"Bearer {await token_of(api, user)}"} for user in (31, 32)]
        asked = [asyncio.ensure_future(api.post("/backtests", json=GRID, headers=many)) for _ in range(10)]
        await let_work_until(lambda: len(began) == 1)
        asked.append(asyncio.ensure_future(api.post("/backtests", json=GRID, headers=other)))
        await let_work_until(lambda: len(began) == 2)
        assert (await api.get("/me", headers=other)).status_code == 200
        going_on.set()
        assert {answer.status_code for answer in await asyncio.gather(*asked)} == {404}
    assert len(began) == 11
