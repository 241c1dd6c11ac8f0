"""Rate limiting on our side: a venue's request weight is never overspent, so it never refuses."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable

from candleray.exchanges.exchange import RateBudget
from candleray.exchanges.shared_budget import SharedBudget


class RateLimiter:
    """A sliding window over the weight spent at one address: bursts pass, the sum stays within the budget.

    Where the budget is shared, all processes together are counted; else this one keeps to a part of it.
    """

    def __init__(
        self,
        budget: RateBudget,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        share: float = 0.9,
        shared: SharedBudget | None = None,
        address: str = "",
    ) -> None:
        """
        Args:
            share: the part of the budget that is spent while it is not shared.
            address: of the budget, by which the processes know that it is one.
        """
        self._allowed, self._window_s = budget.weight * share, budget.window_s
        self._budget, self._shared, self._address = budget, shared, address
        self._clock, self._sleep = clock, sleep
        self._turn = asyncio.Lock()
        self._spent: deque[tuple[float, float]] = deque()
        self._total = 0.0
        self._paused_until = 0.0

    async def spend(self, weight: float, longest_pause_s: float = math.inf) -> bool:
        """Wait until that weight may be spent; callers are served in order.

        Returns:
            False where the venue wants to be left alone for longer than `longest_pause_s`; nothing is spent then.
        """
        async with self._turn:
            while (wait_s := await self._try_to_spend(weight)) > 0:
                if self.paused_s > longest_pause_s:
                    return False
                await self._sleep(wait_s)
            return True

    async def pause(self, seconds: float) -> None:
        """Spend nothing for that long, as the venue demands."""
        self._pause(seconds)
        if self._shared is not None:
            await self._shared.pause(self._address, self._budget, seconds)

    @property
    def paused_s(self) -> float:
        """Seconds that nothing is spent, because the venue demands it."""
        return max(0.0, self._paused_until - self._clock())

    async def correct(self, used: float) -> None:
        """Raise our count to the venue's own: others behind the same address spend too."""
        self._forget()
        if used > self._total:
            if self._shared is not None:
                await self._shared.correct(self._address, self._budget, used)
            self._record(used - self._total)

    async def _try_to_spend(self, weight: float) -> float:
        """Spend, or return the seconds to wait."""
        if self.paused_s > 0:
            return self.paused_s
        if self._shared is not None and (told := await self._shared.spend(self._address, self._budget, weight)):
            if told.paused_s:
                self._pause(told.paused_s)
            wait_s = max(told.wait_s, told.paused_s)
        else:
            wait_s = self._wait_s(weight)
        if wait_s <= 0:
            self._record(weight)
        return wait_s

    def _pause(self, seconds: float) -> None:
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    def _record(self, weight: float) -> None:
        self._forget()
        self._spent.append((self._clock(), weight))
        self._total += weight

    def _forget(self) -> None:
        horizon = self._clock() - self._window_s
        while self._spent and self._spent[0][0] <= horizon:
            self._total -= self._spent.popleft()[1]

    def _wait_s(self, weight: float) -> float:
        self._forget()
        now = self._clock()
        excess, ready = self._total + weight - self._allowed, now
        for spent_at, amount in self._spent:
            if excess <= 0:
                break
            excess, ready = excess - amount, spent_at + self._window_s
        return ready - now
