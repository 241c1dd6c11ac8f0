"""An account at a simulated venue, without a socket and without waiting, and the gateway to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Protocol
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI

from candleray.execution.order_filters import OrderFilters
from candleray.execution.orders import OrderRequest, Side
from candleray.execution.signing import Credentials
from candleray.execution.simulated_gateway import SimulatedGateway
from candleray.markets import Instrument, Market, find_market
from candleray.simulator.generated_candles import GeneratedCandles
from serve_apps.simulator import build_simulator
from tests.support import canaries
from tests.support.simulated import NOW_MS, Clock

SYMBOL = "BTCUSDT"
URL = "http://127.0.0.1:9900"
EXCHANGES = ("binance", "bybit")
_numbers = count(1)
RUN_ID = UUID(int=7)


@dataclass
class VenueAccount:
    """A simulator whose clock stands, with one key; `minute` is the bar of the next order."""

    exchange: str
    clock: Clock = field(default_factory=Clock)
    can_withdraw: bool = False
    can_trade: bool = True
    run_id: UUID = RUN_ID
    wrap: Callable[[httpx.AsyncBaseTransport], httpx.AsyncBaseTransport] = lambda transport: transport

    def __post_init__(self) -> None:
        self.market: Market = find_market(f"{self.exchange}-futures")
        self.instrument = Instrument(market_id=self.market.market_id, symbol=SYMBOL)
        self.credentials = Credentials(f"key-of-account-{next(_numbers):06}", f"secret-{uuid4().hex}")
        canaries.plant("exchange secret", self.credentials.secret)
        source = GeneratedCandles(symbols=[SYMBOL])
        self.app: FastAPI = build_simulator(source, with_limits=False, clock=self.clock.venue)
        reference = source.instruments(self.market)[0]
        self.filters = OrderFilters.of(reference)
        self.transport = self.wrap(httpx.ASGITransport(self.app))

    async def open(self) -> SimulatedGateway:
        """Register the key, and return a gateway that uses it."""
        await self.register(can_trade=self.can_trade, can_withdraw=self.can_withdraw)
        return self.gateway()

    def gateway(self, credentials: Credentials | None = None) -> SimulatedGateway:
        return SimulatedGateway(self.market, URL, credentials or self.credentials, transport=self.transport)

    async def register(self, **permissions: bool) -> None:
        key = {"exchange": self.exchange, "api_key": self.credentials.api_key, "secret": self.credentials.secret}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=URL) as client:
            (await client.put("/simulator/keys", json={**key, **permissions})).raise_for_status()

    def pass_minutes(self, minutes: float) -> None:
        self.clock.now_s += minutes * 60


class Account(Protocol):
    """Place that orders are made for."""

    instrument: Instrument
    run_id: UUID


def order_request(account: Account, quantity: str = "0.01", **changes: object) -> OrderRequest:
    fields = {
        "run_id": account.run_id,
        "signal_bar_ms": NOW_MS // 60_000 * 60_000,
        "intent": f"increase-{next(_numbers)}",
        "instrument": account.instrument,
        "side": Side.BUY,
        "quantity": Decimal(quantity),
    }
    return OrderRequest.model_validate(fields | changes)
