"""Answers to requests: routed to their venue, counted against its budget, or spoilt on demand.

Requests count against the venue's rate limit, and above it they are refused in the venue's words. Other failures
come on demand (`Faults`).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from candleray.errors import InvalidInput, Problem
from candleray.exchanges.exchange import Exchange, Failure
from candleray.markets import Market
from candleray.simulator.candle_source import CandleSource
from candleray.simulator.market_clock import MarketClock
from candleray.simulator.venues import Question, Reply, SimulatedVenue, simulated_venues

FaultKind = Literal["rate_limited", "banned", "unavailable", "html", "truncated", "slow"]
Every = Annotated[int | None, Field(ge=2, description="one of that many requests")]


class Faults(BaseModel):
    """Failures on demand: each kind hits one of so many requests. Of two that are due, the first field wins."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate_limited: Every = None
    banned: Every = None
    unavailable: Every = None
    html: Every = None
    truncated: Every = None
    slow: Every = None
    retry_after_s: float = Field(1.0, ge=0, description="what a refusal asks the client to wait")
    slow_s: float = Field(2.0, ge=0, le=600, description="how long a slow answer takes")

    def due(self, request_number: int) -> FaultKind | None:
        kinds: tuple[FaultKind, ...] = get_args(FaultKind)
        return next((kind for kind in kinds if (n := getattr(self, kind)) and request_number % n == 0), None)

    @staticmethod
    def parse(text: str) -> Faults:
        """Parse `rate_limited=50,slow=100,retry_after_s=2`."""
        pairs = [part.partition("=")[::2] for part in text.split(",") if part.strip()]
        try:
            return Faults.model_validate({name.strip(): value.strip() for name, value in pairs})
        except ValidationError as exc:
            raise InvalidInput(
                f"--faults {text!r} is not a list of kind=number; kinds: {', '.join(Faults.model_fields)}",
                [Problem(".".join(map(str, error["loc"])), error["type"], error["msg"]) for error in exc.errors()],
            ) from exc


class _Meter:
    """Request weight spent at each venue's address, in windows of the venue's clock."""

    def __init__(self) -> None:
        self._spent: dict[str, tuple[int, int]] = {}

    def spend(self, exchange: Exchange, market: Market, weight: int, now_ms: int) -> tuple[int, float]:
        """Count a request; return the weight used in its window and the seconds to the window's end."""
        api = exchange.api(market)
        window_ms = round(api.budget.window_s * 1000)
        window = now_ms // window_ms
        counted, used = self._spent.get(api.base_url, (window, 0))
        used = weight + (used if counted == window else 0)
        self._spent[api.base_url] = window, used
        return used, ((window + 1) * window_ms - now_ms) / 1000


class Simulator:
    """Routes a request to its venue, and answers for it or injects a fault."""

    def __init__(self, source: CandleSource, faults: Faults, *, with_limits: bool, clock: MarketClock) -> None:
        self.source, self.faults = source, faults
        self.requests: Counter[str] = Counter()
        self._meter = _Meter() if with_limits else None
        self._clock = clock

    async def reply(self, path: str, params: dict[str, str]) -> Reply:
        question = Question(path, params, self._clock.now_ms())
        for venue in simulated_venues().values():
            market = venue.route(question)
            if market is not None:
                return await self._reply_of(venue, market, question)
        return Reply(404, b"no exchange has this path", {"content-type": "text/plain"})

    async def _reply_of(self, venue: SimulatedVenue, market: Market, question: Question) -> Reply:
        self.requests[market.name] += 1
        fault = self.faults.due(self.requests.total())
        if fault == "slow":
            await asyncio.sleep(self.faults.slow_s)
        if fault == "html":
            page = b"<html><head><title>502 Bad Gateway</title></head></html>"
            return Reply(200, page, {"content-type": "text/html"})
        if fault == "rate_limited" or fault == "banned" or fault == "unavailable":
            return venue.refuse(Failure(fault, "", self.faults.retry_after_s), question.now_ms)
        reply = self._within_budget(venue, market, question)
        if fault == "truncated":
            return Reply(reply.status, reply.body[: len(reply.body) // 2], reply.headers)
        return reply

    def _within_budget(self, venue: SimulatedVenue, market: Market, question: Question) -> Reply:
        reply = venue.answer(market, question, self.source)
        if self._meter is None:
            return reply
        used, left_s = self._meter.spend(venue.exchange, market, reply.weight, question.now_ms)
        if used > venue.exchange.api(market).budget.weight:
            return venue.refuse(Failure("rate_limited", "", left_s), question.now_ms)
        return Reply(reply.status, reply.body, {**reply.headers, **venue.write_used_weight(used)}, reply.weight)
