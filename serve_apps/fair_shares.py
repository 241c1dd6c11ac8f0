"""Fair shares of what callers use together: so much at once of everybody, so much of one, the rest in turns."""

from __future__ import annotations

import asyncio
import os
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count

from candleray.errors import Busy, TooManyRequests
from candleray.settings import Settings


@dataclass(eq=False)
class _Waiter:
    amount: int
    turn: asyncio.Future[None]


class FairShares:
    """`held` lets in at once whom it can; the others wait their turns: those who hold least come first."""

    def __init__(self, what: str, total: int, each: int, waiting: int, wait_s: float) -> None:
        """
        Args:
            what: named in refusals, in the plural.
            total: of everybody at once.
            each: of one caller at once.
            waiting: callers' requests that may wait, of one caller.
            wait_s: how long each waits before it is refused.
        """
        self.what = what
        self.total = total
        self.each = min(each, total)
        self.waiting = waiting
        self.wait_s = wait_s
        self._held: Counter[str] = Counter()
        self._lines: dict[str, deque[_Waiter]] = {}
        self._served: dict[str, int] = {}
        self._clock = count()

    @asynccontextmanager
    async def held(self, who: str, amount: int = 1) -> AsyncIterator[None]:
        """
        Raises:
            TooManyRequests: the caller's own share is in use, and stays so.
            Busy: everybody's is.
        """
        amount = min(amount, self.each)
        await self._take(who, amount)
        try:
            yield
        finally:
            self._give_back(who, amount)

    @property
    def in_use(self) -> int:
        return self._held.total()

    async def _take(self, who: str, amount: int) -> None:
        line = self._lines.get(who, ())
        if not line and self._fits(who, amount):
            self._grant(who, amount)
            return
        if len(line) >= self.waiting:
            raise self._refusal(who, amount)
        waiter = _Waiter(amount, asyncio.get_running_loop().create_future())
        self._lines.setdefault(who, deque()).append(waiter)
        try:
            async with asyncio.timeout(self.wait_s):
                await waiter.turn
        except TimeoutError:
            self._leave(who, waiter)
            raise self._refusal(who, amount) from None
        except asyncio.CancelledError:
            self._leave(who, waiter)
            raise

    def _leave(self, who: str, waiter: _Waiter) -> None:
        if waiter.turn.done() and not waiter.turn.cancelled():
            self._give_back(who, waiter.amount)  # its turn came in the same moment
            return
        line = self._lines.get(who, deque())
        if waiter in line:
            line.remove(waiter)
            if not line:
                del self._lines[who]
        self._serve()

    def _refusal(self, who: str, amount: int) -> TooManyRequests | Busy:
        if self._held[who] + amount > self.each or self._lines.get(who):
            return TooManyRequests(
                f"{self.what} of one caller at once: at most {self.each}, and yours are in use; "
                "wait for one to end, and as long as Retry-After says"
            )
        return Busy(f"{self.what} at once: at most {self.total}, and all are in use; try again")

    def _fits(self, who: str, amount: int) -> bool:
        return self._held[who] + amount <= self.each and self._held.total() + amount <= self.total

    def _grant(self, who: str, amount: int) -> None:
        self._held[who] += amount
        self._served[who] = next(self._clock)

    def _give_back(self, who: str, amount: int) -> None:
        self._held[who] -= amount
        self._serve()
        if not self._held[who]:
            del self._held[who]
            if who not in self._lines:
                self._served.pop(who, None)

    def _serve(self) -> None:
        """Give the turns that there are."""
        while next_ones := [who for who, line in self._lines.items() if self._fits(who, line[0].amount)]:
            who = min(next_ones, key=lambda one: (self._held[one], self._served.get(one, -1)))
            waiter = self._lines[who].popleft()
            if not self._lines[who]:
                del self._lines[who]
            if not waiter.turn.done():  # it is, where the caller has just left
                self._grant(who, waiter.amount)
                waiter.turn.set_result(None)


def search_turns(settings: Settings) -> FairShares:
    """Turns at the cores of a replica's part of the machine.

    A search uses every core it is given, so that two of one user at once are no sooner done than one after the
    other, while another user's search is slowed down by each.
    """
    cores = settings.compute.num_cpus or os.cpu_count() or 1
    rules = settings.api
    return FairShares(
        "searches",
        total=rules.max_searches,
        each=rules.max_searches_per_user or max(1, cores // (2 * rules.replicas)),
        waiting=rules.max_waiting_per_user,
        wait_s=rules.backtest_timeout_s,
    )
