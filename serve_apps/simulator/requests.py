"""Answers to requests: routed to their venue, counted against its budget, or spoilt on demand.

Requests count against the venue's rate limit, and above it they are refused in the venue's words. Other failures
come on demand (`Faults`).
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from candleray.errors import CandlerayError, InvalidInput, Problem
from candleray.exchanges.exchange import Exchange, Failure
from candleray.markets import Market
from candleray.simulator.accounts.accounts import Accounts, Floor, OrderDesk, PrivateQuestion
from candleray.simulator.accounts.binance_orders import BinanceDesk
from candleray.simulator.accounts.bybit_orders import BybitDesk
from candleray.simulator.faults.fault import fault_kinds
from candleray.simulator.faults.fault_schedule import FaultSchedule
from candleray.simulator.faults.listing_faults import shown_symbol
from candleray.simulator.faults.request_faults import BAD_GATEWAY
from candleray.simulator.market_clock import MarketClock
from candleray.simulator.venue_record import VenueRecord
from candleray.simulator.venues import Question, Reply, SimulatedVenue, simulated_markets, simulated_venues

RequestFault = Literal["rate_limited", "banned", "unavailable", "html", "truncated", "slow"]
Every = Annotated[int | None, Field(ge=2, description="one of that many requests")]


class Faults(BaseModel):
    """Failures on demand.

    Of requests: each kind hits one of so many, and of two that are due, the first field wins. Of the table: each
    of `kinds` comes so many times a day of the venues, over all markets, at moments that the seed draws; a seed
    without kinds means all of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate_limited: Every = None
    banned: Every = None
    unavailable: Every = None
    html: Every = None
    truncated: Every = None
    slow: Every = None
    retry_after_s: float = Field(1.0, ge=0, description="what a refusal asks the client to wait")
    slow_s: float = Field(2.0, ge=0, le=600, description="how long a slow answer takes")
    seeded: int | None = Field(None, description="the seed of a schedule of faults")
    times_a_day: int = Field(20, ge=1, description="of each kind, where `kinds` names none")
    kinds: dict[str, Annotated[int, Field(ge=1, le=1000)]] = Field({}, description="kind -> times a day")

    @model_validator(mode="after")
    def _has_a_schedule(self) -> Faults:
        try:
            self.schedule()
        except CandlerayError as exc:
            raise ValueError(str(exc)) from exc
        return self

    def due(self, request_number: int) -> RequestFault | None:
        kinds: tuple[RequestFault, ...] = get_args(RequestFault)
        return next((kind for kind in kinds if (n := getattr(self, kind)) and request_number % n == 0), None)

    def schedule(self) -> FaultSchedule | None:
        if self.kinds:
            return FaultSchedule(self.seeded or 0, self.kinds)
        return None if self.seeded is None else FaultSchedule.of_all(self.seeded, self.times_a_day)

    @staticmethod
    def parse(text: str) -> Faults:
        """Parse `rate_limited=50,slow=100,retry_after_s=2`, `seeded:7` or `reset=24,stall=5,seeded=7`."""
        pairs = [re.split("[=:]", part, maxsplit=1) for part in text.split(",") if part.strip()]
        fields: dict[str, Any] = {}
        for name, *value in ([each.strip() for each in pair] for pair in pairs):
            into = fields.setdefault("kinds", {}) if name in fault_kinds() else fields
            into[name] = value[0] if value else ""
        try:
            return Faults.model_validate(fields)
        except ValidationError as exc:
            kinds = ", ".join(
                [*get_args(RequestFault), "retry_after_s", "slow_s", "seeded", "times_a_day", *fault_kinds()]
            )
            raise InvalidInput(
                f"--faults {text!r} is not a list of kind=number; kinds: {kinds}",
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

    def __init__(self, record: VenueRecord, faults: Faults, *, with_limits: bool, clock: MarketClock) -> None:
        self.record, self.faults = record, faults
        self.requests: Counter[str] = Counter()
        self._meter = _Meter() if with_limits else None
        self._clock = clock
        self.accounts = Accounts([BinanceDesk(), BybitDesk()])

    def now_ms(self) -> int:
        return self._clock.now_ms()

    async def reply_privately(self, desk: OrderDesk, question: PrivateQuestion) -> Reply:
        """Answer a signed request; it counts among the market's, and its faults meet it too."""
        venue = simulated_venues()[desk.market.exchange]
        public = Question(question.path, {}, question.now_ms)
        return await self._reply_of(
            venue, desk.market, public, lambda: self.accounts.answer(desk, question, self._floor)
        )

    def _floor(self, market: Market) -> Floor:
        view = self.record.view(self._clock.now_ms())
        return Floor(view.instruments(market), partial(view.candles, market))

    async def reply(self, path: str, params: dict[str, str]) -> Reply:
        question = Question(path, params, self._clock.now_ms())
        for venue in simulated_venues().values():
            market = venue.route(question)
            if market is not None:
                return await self._reply_of(venue, market, question)
        return Reply(404, b"no exchange has this path", {"content-type": "text/plain"})

    async def _reply_of(
        self,
        venue: SimulatedVenue,
        market: Market,
        question: Question,
        answer: Callable[[], Reply] | None = None,
    ) -> Reply:
        self.requests[market.name] += 1
        refused = self._refuse(venue, market, question)
        if refused:
            return refused
        fault = self.faults.due(self.requests.total())
        if fault == "slow":
            await asyncio.sleep(self.faults.slow_s)
        if fault == "html":
            return Reply(200, BAD_GATEWAY.encode(), {"content-type": "text/html"})
        if fault == "rate_limited" or fault == "banned" or fault == "unavailable":
            return venue.refuse(Failure(fault, "", self.faults.retry_after_s), question.now_ms)
        reply = answer() if answer else self._within_budget(venue, market, question)
        if fault == "truncated":
            return Reply(reply.status, reply.body[: len(reply.body) // 2], reply.headers)
        return reply

    def _refuse(self, venue: SimulatedVenue, market: Market, question: Question) -> Reply | None:
        """The refusal by a fault of the market's address; it names the wait in the venue's seconds."""
        base_url = venue.exchange.api(market).base_url
        same_address = [each for each in simulated_markets() if _base_url(each) == base_url]
        for fault in (fault for each in same_address for fault in self.record.book.on(each, question.now_ms)):
            if fault.kind.refuse is None:
                continue
            self.record.book.meet(fault)
            refusal = fault.kind.refuse(fault, self.requests[market.name], question.now_ms)
            if isinstance(refusal, str):
                return Reply(502, refusal.encode(), {"content-type": "text/html"})
            return venue.refuse(refusal, question.now_ms)
        return None

    def _disturbed(self, venue: SimulatedVenue, market: Market, question: Question) -> Question:
        """The question as faults of answers change it."""
        subject, symbol = venue.subject(question.path), question.params.get("symbol")
        for fault in self.record.book.on(market, question.now_ms):
            off_ms = fault.kind.clock_off_ms(fault)
            if off_ms and subject == "time":
                self.record.book.meet(fault)
                question = replace(question, now_ms=question.now_ms + off_ms)
            if fault.kind.is_forming_shown and subject == "klines":
                self.record.book.meet(fault)
                shown = {name: value for name, value in question.params.items() if name != venue.window_end}
                question = replace(question, params=shown)
            if fault.kind.change_listing and (subject == "instruments" or shown_symbol(fault) == symbol):
                self.record.book.meet(fault)
        return question

    def _within_budget(self, venue: SimulatedVenue, market: Market, question: Question) -> Reply:
        disturbed = self._disturbed(venue, market, question)
        reply = venue.answer(market, disturbed, self.record.view(self._clock.now_ms()))
        if self._meter is None:
            return reply
        used, left_s = self._meter.spend(venue.exchange, market, reply.weight, question.now_ms)
        if used > venue.exchange.api(market).budget.weight:
            return venue.refuse(Failure("rate_limited", "", left_s), disturbed.now_ms)
        return Reply(reply.status, reply.body, {**reply.headers, **venue.write_used_weight(used)}, reply.weight)


def _base_url(market: Market) -> str:
    return simulated_venues()[market.exchange].exchange.api(market).base_url
