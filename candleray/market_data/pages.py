"""Pages of candles and of instruments, and the report of written instruments."""

from __future__ import annotations

from candleray.market_data.instruments.changes import InstrumentChange
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
    """Numbers of instruments received and written; those that are stored alike are not written again."""

    received: int
    written: int


class ChangesPage(Model):
    """Changes of instruments, the newest first."""

    changes: tuple[InstrumentChange, ...]
    next_cursor: str | None = None
    """The `cursor` of the next page; `null` after the last."""
