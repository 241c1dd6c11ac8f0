"""Events of live runs: what happened on which bar. The database keeps them, and a user's stream tells them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from pydantic import Field

from candleray.live.run import RunAction, RunState
from candleray.timeframes import Moment
from candleray.validation import Model

Side = Literal["long", "short"]
Signal = Literal["long", "short", "none"]
OrderSide = Literal["buy", "sell"]


class EventKind(StrEnum):
    SIGNAL = "signal"
    ENTRY = "entry"
    EXIT = "exit"
    ANNULLED = "annulled"
    ORDER = "order"
    FILL = "fill"
    HALT = "halt"
    GAP = "gap"
    LATE_CANDLE = "late_candle"
    WAIT = "wait"
    STATE = "state"


class SignalChange(Model):
    """The final signal of this bar is another one than that of the bar before."""

    kind: Literal[EventKind.SIGNAL] = EventKind.SIGNAL
    signal: Signal
    before: Signal
    close: float


class Entry(Model):
    """A position opens at the close of the bar."""

    kind: Literal[EventKind.ENTRY] = EventKind.ENTRY
    side: Side
    price: float
    """The fill, slippage included."""
    quantity: float
    notional_quote: float
    fee_quote: float
    equity_quote: float
    """The equity before the entry."""


class Exit(Model):
    """A position closes at the close of the bar."""

    kind: Literal[EventKind.EXIT] = EventKind.EXIT
    reason: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]
    """The exit reasons of a backtest's trades."""
    side: Side
    entered: Moment
    """Opening time of the bar of the entry."""
    entry_price: float
    price: float
    quantity: float
    fees_quote: float
    pnl_quote: float
    return_pct: float
    equity_quote: float
    """The equity after the exit."""


class Annulled(Model):
    """The entry on this bar never was: a gap follows the bar, over which no position is held."""

    kind: Literal[EventKind.ANNULLED] = EventKind.ANNULLED
    side: Side
    price: float
    quantity: float
    equity_quote: float


class OrderMade(Model):
    """A run on paper makes an order, for a bar whose events are before it."""

    kind: Literal[EventKind.ORDER] = EventKind.ORDER
    client_order_id: str
    side: OrderSide
    quantity: float


class OrderFilled(Model):
    """An order of a run on paper fills."""

    kind: Literal[EventKind.FILL] = EventKind.FILL
    client_order_id: str
    side: OrderSide
    price: float
    """The price of the fill, slippage included."""
    quantity: float
    fee_quote: float
    position: float
    """The quantity that is held now: above zero long, below short."""
    balance_quote: float
    """The cash with all that closed positions have gained, less all fees: the equity where nothing is held."""


class OrderHalt(Model):
    """A run on paper makes no order any more, for a reason that somebody has to look at."""

    kind: Literal[EventKind.HALT] = EventKind.HALT
    reason: str


class Gap(Model):
    """Minutes from this one on that the exchange does not have, by verdict; a bar that lacks one is not made."""

    kind: Literal[EventKind.GAP] = EventKind.GAP
    minutes: int


class LateCandle(Model):
    """A candle of this minute came after the runs had gone on without it; they do not go back."""

    kind: Literal[EventKind.LATE_CANDLE] = EventKind.LATE_CANDLE
    seen_at: Moment


class Wait(Model):
    """Minutes of an instrument that the run reads come no more, for a reason of its own: the run waits."""

    kind: Literal[EventKind.WAIT] = EventKind.WAIT
    instrument: str
    """Its key."""
    reason: str


class StateChange(Model):
    """The run's state is another one."""

    kind: Literal[EventKind.STATE] = EventKind.STATE
    action: RunAction
    from_state: RunState | None
    to_state: RunState
    cause: str


EventBody: TypeAlias = Annotated[
    SignalChange
    | Entry
    | Exit
    | Annulled
    | OrderMade
    | OrderFilled
    | OrderHalt
    | Gap
    | LateCandle
    | Wait
    | StateChange,
    Field(discriminator="kind"),
]


class StrategyEvent(Model):
    """One thing that a run has said, once."""

    number: int
    """Counted from 1 within the user's events, without a gap, in the order they became known."""
    run_id: UUID
    session: int
    """The run's event that started it this time; 1 before it was stopped and started again."""
    ts_open: Moment
    """Opening time of the bar; of a gap, a late candle or a wait, of the minute; of a state, an order, a fill or a
    halt, the moment."""
    at: Moment
    """The moment at which it was written."""
    body: EventBody
