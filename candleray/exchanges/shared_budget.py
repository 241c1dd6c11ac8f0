"""An exchange's request budget, shared by the processes of an instance through Valkey.

Each address is a hash there: what was spent, by slice of the window, and until when the exchange wants to be left
alone. Live candles may spend all; backfills stop short of a reserve. While Valkey is away a process keeps to a
static share of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from candleray.errors import CandlerayError
from candleray.exchanges.exchange import RateBudget
from candleray.logs import get_logger

if TYPE_CHECKING:
    from candleray.databases.valkey import Valkey

log = get_logger("exchanges")

MOST = 0.95
"""Part of a budget that an instance spends: clocks differ, and others may be behind the same address."""

_KEY = "budget:"
_ANSWER_S = 1.0
_AGAIN_S = 5.0

_SPEND = """
local weight, allowed, window, used, pause = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]),
    tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local slices = 60
local slice = window / slices
local this = math.floor(now / slice)
local total, paused, spent = 0, 0, {}
local known = redis.call('HGETALL', KEYS[1])
for i = 1, #known, 2 do
    local at, amount = tonumber(known[i]), tonumber(known[i + 1])
    if not at then
        paused = amount
    elseif at + slices < this then
        redis.call('HDEL', KEYS[1], known[i])
    else
        total = total + amount
        spent[#spent + 1] = {at, amount}
    end
end
local function add(amount)
    redis.call('HINCRBYFLOAT', KEYS[1], string.format('%.0f', this), amount)
    total = total + amount
end
if used > total then add(used - total) end
if now + pause > paused and pause > 0 then
    paused = now + pause
    redis.call('HSET', KEYS[1], 'paused', string.format('%.0f', paused))
end
local wait = 0
if weight > 0 and (total + weight <= allowed or total == 0) and paused <= now then
    add(weight)
elseif weight > 0 then
    table.sort(spent, function(a, b) return a[1] < b[1] end)
    local excess = total + weight - allowed
    for _, one in ipairs(spent) do
        if excess <= 0 then break end
        excess = excess - one[2]
        wait = (one[1] + 1 + slices) * slice - now
    end
    wait = math.max(1, math.ceil(wait))
end
redis.call('PEXPIRE', KEYS[1], math.ceil(math.max(2 * window, paused - now + window)))
return {wait, math.max(0, math.ceil(paused - now))}
"""


@dataclass(frozen=True)
class Permission:
    """Answer to the wish to spend: at once where both waits are zero."""

    wait_s: float
    """Seconds until enough of the window has passed."""
    paused_s: float
    """Seconds for which the exchange wants to be left alone."""


class SharedBudget:
    def __init__(
        self, valkey: Callable[[], Awaitable[Valkey]], share: float = MOST, clock_speed: float = 1.0
    ) -> None:
        """
        Args:
            share: the part of a budget up to which this process may bring what all of them spend together.
            clock_speed: the exchange's seconds that pass in one of ours; every time here is one of its clock.
        """
        self.share = share
        self._speed = clock_speed
        self.is_away = False
        """Valkey did not answer last time: each process keeps to its own share."""
        self._valkey = valkey
        self._ask_after_s = 0.0

    async def spend(self, address: str, budget: RateBudget, weight: float) -> Permission | None:
        """Spend where there is room; None where Valkey does not say."""
        return await self._ask(address, budget, weight=weight)

    async def correct(self, address: str, budget: RateBudget, used: float) -> None:
        """Raise the count to the exchange's own."""
        await self._ask(address, budget, used=used)

    async def pause(self, address: str, budget: RateBudget, seconds: float) -> None:
        """Have nobody spend for that long."""
        await self._ask(address, budget, pause_s=seconds)

    async def _ask(
        self, address: str, budget: RateBudget, *, weight: float = 0, used: float = 0, pause_s: float = 0
    ) -> Permission | None:
        if time.monotonic() < self._ask_after_s:
            return None
        ms = 1000 / self._speed
        words = (weight, budget.weight * self.share, budget.window_s * ms, used, pause_s * ms)
        try:
            async with asyncio.timeout(_ANSWER_S):
                async with (await self._valkey()).answering() as client:
                    told: Any = await client.eval(_SPEND, 1, f"{_KEY}{address}", *map(str, words))
        except (CandlerayError, TimeoutError) as error:
            self._lose(str(error) or f"Valkey did not answer within {_ANSWER_S:g} s")
            return None
        if self.is_away:
            self.is_away = False
            log.info("budget_shared_again")
        return Permission(told[0] / ms, told[1] / ms)

    def _lose(self, reason: str) -> None:
        if not self.is_away:
            log.warning("budget_not_shared", reason=reason, instead="each process keeps to its own share")
        self.is_away = True
        self._ask_after_s = time.monotonic() + _AGAIN_S
