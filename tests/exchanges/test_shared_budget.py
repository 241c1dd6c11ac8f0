"""The request budget of an exchange over several processes, counted in Valkey."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from candleray.databases.valkey import Valkey
from candleray.errors import ServiceUnavailable
from candleray.exchanges import shared_budget
from candleray.exchanges.exchange import RateBudget
from candleray.exchanges.rate_limits import RateLimiter
from candleray.exchanges.shared_budget import SharedBudget
from tests.support import embedded
from tests.support.waiting import eventually

ADDRESS = "https://api.example.com"
MINUTE = RateBudget(weight=100, window_s=60)


@pytest.fixture
async def valkey() -> AsyncIterator[Valkey]:
    store = await Valkey.open(embedded.valkey_url())
    await store.client.delete(f"budget:{ADDRESS}")
    yield store
    await store.close()


class Sleeps:
    """Waits that are written down, and end the attempt."""

    def __init__(self) -> None:
        self.s: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.s.append(seconds)
        raise TimeoutError


class Process:
    """A process with its own limiter on the shared budget; `took` counts what it was let spend at once."""

    def __init__(self, valkey: Valkey, most: float, budget: RateBudget = MINUTE, share: float = 0.5) -> None:
        self.is_cut = False
        self._valkey = valkey
        self.shared = SharedBudget(self._open, most)
        self.sleeps = Sleeps()
        self.limiter = RateLimiter(budget, time.monotonic, self.sleeps, share, self.shared, ADDRESS)

    async def _open(self) -> Valkey:
        if self.is_cut:
            raise ServiceUnavailable("Valkey does not answer")
        return self._valkey

    async def took(self, at_most: int, weight: float = 1) -> int:
        for count in range(at_most):
            try:
                await self.limiter.spend(weight)
            except TimeoutError:
                return count
        return at_most


async def test_all_processes_together_keep_the_limit_and_backfills_leave_the_reserve(valkey: Valkey) -> None:
    backfills = [Process(valkey, 0.75) for _ in range(3)]
    live = Process(valkey, 0.95)
    taken = await asyncio.gather(*(one.took(60) for one in backfills))
    assert sum(taken) == 75, "what nobody uses is not left lying"
    assert await live.took(60) == 20
    assert [await one.took(1) for one in backfills] == [0, 0, 0]
    assert 0 < live.sleeps.s[0] <= 61


async def test_what_was_spent_comes_back_with_the_window_and_not_sooner(valkey: Valkey) -> None:
    budget = RateBudget(weight=10, window_s=0.5)
    process = Process(valkey, 1.0, budget)
    began_s = time.monotonic()
    assert await process.took(20) == 10
    process.limiter = RateLimiter(budget, time.monotonic, asyncio.sleep, 0.5, process.shared, ADDRESS)
    await process.limiter.spend(1)
    assert time.monotonic() - began_s >= 0.5


async def test_the_exchanges_own_count_is_taken_over_by_all(valkey: Valkey) -> None:
    first, second = Process(valkey, 0.95), Process(valkey, 0.95)
    await first.took(5)
    await first.limiter.correct(90)
    await first.limiter.correct(40)
    assert await second.took(60) == 5


async def test_a_ban_that_one_process_meets_holds_back_all(valkey: Valkey) -> None:
    first, second = Process(valkey, 0.95), Process(valkey, 0.95)
    await first.limiter.pause(600)
    assert not await second.limiter.spend(1, longest_pause_s=120)
    assert 590 < second.limiter.paused_s <= 600


async def test_without_valkey_each_process_keeps_to_its_own_share_and_shares_again_later(
    valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_budget, "_AGAIN_S", 0.0)
    process = Process(valkey, 0.95)
    process.is_cut = True
    assert (await process.took(100), process.shared.is_away) == (50, True)
    process.is_cut = False
    assert (await process.took(100), process.shared.is_away) == (95, False)


async def test_valkey_that_hangs_costs_a_second_and_then_nothing_for_a_while(
    valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_budget, "_ANSWER_S", 0.05)
    asked: list[float] = []

    async def hang() -> Valkey:
        asked.append(time.monotonic())
        await asyncio.sleep(3600)
        return valkey

    shared = SharedBudget(hang)
    told = [await shared.spend(ADDRESS, MINUTE, 1) for _ in range(20)]
    assert (told, len(asked)) == ([None] * 20, 1)


async def test_windows_and_waits_pass_at_the_speed_of_a_simulated_exchange(valkey: Valkey) -> None:
    async def opened() -> Valkey:
        return valkey

    fast = SharedBudget(opened, clock_speed=600.0)
    began_s = time.monotonic()
    await fast.pause(ADDRESS, MINUTE, 600)
    told = await eventually(lambda: fast.spend(ADDRESS, MINUTE, 1), lambda told: told and not told.paused_s)
    assert time.monotonic() - began_s > 0.9
    assert told.wait_s == 0
    await fast.pause(ADDRESS, MINUTE, 36_000)
    told = await fast.spend(ADDRESS, MINUTE, 1)
    assert told is not None
    assert 0 < told.paused_s <= 36_000.6, "a minute, told in seconds of the exchange"
