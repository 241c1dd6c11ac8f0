"""The simulator's own answers and requests: its state, its clock, its faults, the truth, the log."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from candleray.execution.dialects.dialect import plain
from candleray.simulator.accounts.accounts import ApiKey
from candleray.simulator.accounts.order_book import OrderBook
from candleray.simulator.faults.fault import Fault
from serve_apps.simulator.requests import Faults


class ClockState(BaseModel):
    """The venues' clock."""

    now_ms: int
    speed: float = Field(description="seconds of the venues a second of ours; 0: it stands")


class FaultPlace(BaseModel):
    """The place of a fault that begins now, and how long it lasts; the kind says how long by default."""

    model_config = ConfigDict(extra="forbid")

    market: str
    symbol: str | None = None
    lasts_s: float | None = Field(None, gt=0, le=7 * 86_400, allow_inf_nan=False)
    variant: int = Field(0, ge=0)


class ClockChange(BaseModel):
    """A change of the venues' clock; both at once: the speed first."""

    model_config = ConfigDict(extra="forbid")

    speed: float | None = Field(None, ge=0, le=100_000, allow_inf_nan=False)
    step_s: float | None = Field(
        None, ge=0, le=366 * 86_400, allow_inf_nan=False, description="seconds to go on by"
    )


class StreamState(BaseModel):
    """The websockets of one market."""

    connections: int
    topics: int = Field(description="subscriptions over all connections")
    sent: dict[str, int] = Field(description="frames of candles that were sent: closed, forming")


class FaultCount(BaseModel):
    """Faults of one kind so far."""

    number: int = Field(description="its place in the table of faults")
    begun: int
    met: int = Field(description="those of which a client was told or refused something")


class BegunFault(BaseModel):
    """A fault of a market, or of one symbol of it."""

    kind: str
    number: int = Field(description="its kind's place in the table of faults")
    market: str
    symbol: str | None
    start_ms: int
    end_ms: int
    variant: int

    @staticmethod
    def of(fault: Fault) -> BegunFault:
        return BegunFault(
            kind=fault.kind.name,
            number=fault.kind.number,
            market=fault.market.name,
            symbol=fault.symbol,
            start_ms=fault.start_ms,
            end_ms=fault.end_ms,
            variant=fault.variant,
        )


class KeyOfAccount(BaseModel):
    """An API key of an account that orders may be sent to; made up, because here is no exchange."""

    model_config = ConfigDict(extra="forbid")

    exchange: Literal["binance", "bybit"]
    api_key: str = Field(min_length=8, max_length=64)
    secret: SecretStr = Field(min_length=8, max_length=64)
    can_trade: bool = True
    can_withdraw: bool = False

    def as_key(self) -> ApiKey:
        return ApiKey(self.api_key, self.secret.get_secret_value(), self.can_trade, self.can_withdraw)


class AccountState(BaseModel):
    """An account of perpetuals: how many orders it has, and its positions as decimal text."""

    orders: int
    fills: int
    positions: dict[str, str]

    @staticmethod
    def of(book: OrderBook) -> AccountState:
        held = {symbol: plain(quantity) for symbol, quantity in book.positions.items() if quantity}
        return AccountState(orders=len(book.orders), fills=len(book.fills), positions=held)


class SimulatorState(BaseModel):
    """Symbols that a simulator serves, its clock, and its requests and connections so far."""

    clock: ClockState
    markets: dict[str, list[str]] = Field(description="market name -> symbols")
    requests: dict[str, int] = Field(description="market name -> requests so far")
    streams: dict[str, StreamState] = Field(description="market name -> its websockets")
    faults: Faults
    fault_counts: dict[str, FaultCount] = Field(description="kind -> how often it came")


class TruthPage(BaseModel):
    """Closed minutes of an instrument as its venue has them now, whatever a client was told of them."""

    now_ms: int
    candles: list[tuple[float, ...]] = Field(
        description="ts_open in ms, open, high, low, close, volume, quote volume, trades"
    )
    missing: list[int] = Field(description="minutes that are over and that the venue does not have")
    faults: list[BegunFault] = Field(description="those that concern these minutes")


class SentPage(BaseModel):
    """Entries of the log of what was sent; `next` is the `since` of the following page."""

    entries: list[dict[str, Any]]
    next: int
