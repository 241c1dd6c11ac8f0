"""Records of a run, in pages that go on by event numbers: its events, signals, trades and equity."""

from __future__ import annotations

from typing import Literal

from candleray.live.events import Entry, Exit, SignalChange, StrategyEvent
from candleray.timeframes import Moment
from candleray.validation import Model

TradeState = Literal["closed", "open", "left_open"]


class EventPage(Model):
    """Events in the order of their numbers."""

    events: tuple[StrategyEvent, ...]
    next_after: int | None = None
    """The `after` of the next page; `null` where there are no more yet."""


class RunSignal(Model):
    """A change of the final signal."""

    number: int
    """Its event's."""
    session: int
    ts_open: Moment
    """Opening time of the bar."""
    signal: Literal["long", "short", "none"]
    before: Literal["long", "short", "none"]
    close: float
    """The close of the bar."""
    at: Moment
    """The moment at which it was written."""

    @classmethod
    def of(cls, event: StrategyEvent) -> RunSignal:
        assert isinstance(event.body, SignalChange)
        change = event.body.model_dump(exclude={"kind"})
        return cls(number=event.number, session=event.session, ts_open=event.ts_open, at=event.at, **change)


class SignalPage(Model):
    """Changes of a run's final signal, the oldest first."""

    signals: tuple[RunSignal, ...]
    next_after: int | None = None
    """The `after` of the next page; `null` where there are no more yet."""


class RunTrade(Model):
    """An entry and the exit that ended it."""

    number: int
    """The number of the entry's event."""
    session: int
    state: TradeState
    """`open` while the run holds it, `left_open` where the session ended with it."""
    entered: Moment
    """Opening time of the bar of the entry."""
    exited: Moment | None
    """Opening time of the bar of the exit; `null` where there is none."""
    entry: Entry
    exit: Exit | None


class TradePage(Model):
    """Trades in the order of their entries: an open one is the last. Annulled entries are counted, no trades."""

    trades: tuple[RunTrade, ...]
    annulled: int
    """Entries of the run, or of the session asked for, that were annulled because a gap followed their bar."""
    next_after: int | None = None
    """The `after` of the next page; `null` where there are no more yet."""


class RunSession(Model):
    """One stay of a run from start to stop, on a paper account of its own."""

    session: int
    """The number of the run's event that started it."""
    live_from: Moment
    """Opening time of the first bar that may trade."""
    started_at: Moment
    init_cash_quote: float
    """The equity that it begins with."""


class EquityPoint(Model):
    number: int
    """The number of the event of the exit."""
    session: int
    ts_open: Moment
    """Opening time of the bar at whose close this was the equity."""
    equity_quote: float
    return_pct: float
    """The gain since the session began, in percent of its first equity."""


class EquityPage(Model):
    """The equity of a run's paper accounts after each trade that has closed, the oldest first."""

    sessions: tuple[RunSession, ...]
    """Sessions with the equity that each begins with."""
    points: tuple[EquityPoint, ...]
    next_after: int | None = None
    """The `after` of the next page; `null` where there are no more yet."""


class CurvePoint(Model):
    ts_open: Moment
    """Opening time of the bar at whose close this was the equity."""
    equity_quote: float


class EquityCurve(Model):
    """The equity of a session at the closes of its bars, open positions counted at the close."""

    session: int
    init_cash_quote: float
    points: tuple[CurvePoint, ...]
    bars: int
    """Bars that the session has taken."""
    note: str
    """The bars that are told of, and what they are computed from."""
