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


class EventKind(StrEnum):
    SIGNAL = "signal"
    ENTRY = "entry"
    EXIT = "exit"
    ANNULLED = "annulled"
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
    SignalChange | Entry | Exit | Annulled | Gap | LateCandle | Wait | StateChange, Field(discriminator="kind")
]


class StrategyEvent(Model):
    """One thing that a run has said, once."""

    number: int
    """Counted from 1 within the user's events, without a gap, in the order they became known."""
    run_id: UUID
    session: int
    """The run's event that started it this time; 1 before it was stopped and started again."""
    ts_open: Moment
    """Opening time of the bar; of a gap, a late candle or a wait, of the minute; of a state, the moment."""
    at: Moment
    """The moment at which it was written."""
    body: EventBody
