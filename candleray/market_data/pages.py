"""Pages of candles and of instruments, and the account of instruments handed in."""

from __future__ import annotations

from candleray.markets import Instrument, InstrumentReference
from candleray.timeframes import Moment, Timeframe
from candleray.validation import Model


class CandlePage(Model):
    """Bars as columns of one length; only closed and full bars exist."""

    instrument: Instrument
    timeframe: Timeframe
    ts_open_ms: tuple[int, ...]
    """Opening times in milliseconds since the epoch."""
    open: tuple[float, ...]
    high: tuple[float, ...]
    low: tuple[float, ...]
    close: tuple[float, ...]
    volume: tuple[float, ...]
    next_start: Moment | None = None
    """The `start` of the next page; `null` after the last."""


class InstrumentPage(Model):
    """Instruments, the likeliest match first."""

    instruments: tuple[InstrumentReference, ...]
    next_cursor: str | None = None
    """The `cursor` of the next page; `null` after the last."""


class InstrumentsReport(Model):
    """What became of instruments handed in; those that say nothing new are not written."""

    received: int
    written: int
