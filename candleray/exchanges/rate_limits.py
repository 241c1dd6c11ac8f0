"""Rate limiting on our side: a venue's request weight is never overspent, so it never refuses."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from candleray.exchanges.exchange import RateBudget


class RateLimiter:
    """A sliding window over the weight spent at one address: bursts pass, the sum stays within the budget."""

    def __init__(
        self,
        budget: RateBudget,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        share: float = 0.9,
    ) -> None:
        """
        Args:
            share: the part of the budget that is spent; others behind the same address spend too.
        """
        self._allowed, self._window_s = budget.weight * share, budget.window_s
        self._clock, self._sleep = clock, sleep
        self._turn = asyncio.Lock()
        self._spent: deque[tuple[float, float]] = deque()
        self._total = 0.0
        self._paused_until = 0.0

    async def spend(self, weight: float) -> None:
        """Wait until that weight may be spent; callers are served in order."""
        async with self._turn:
            while (wait_s := self._wait_s(weight)) > 0:
                await self._sleep(wait_s)
            self._record(weight)

    def pause(self, seconds: float) -> None:
        """Spend nothing for that long, as the venue demands."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    @property
    def paused_s(self) -> float:
        """Seconds that nothing is spent, because the venue demands it."""
        return max(0.0, self._paused_until - self._clock())

    def correct(self, used: float) -> None:
        """Raise our count to the venue's own: others behind the same address spend too."""
        self._forget()
        if used > self._total:
            self._record(used - self._total)

    def _record(self, weight: float) -> None:
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
        return max(ready, self._paused_until) - now
