"""Words and models of the versions of a candle."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field

from candleray.markets import Instrument
from candleray.timeframes import Moment
from candleray.validation import Model

CandleSourceWord: TypeAlias = Literal["websocket", "rest", "file", "api"]
"""The bringer of a row: an exchange's stream or its REST, a file that somebody imported, or a call of the API.

Rows that were written before sources were kept, or that raw got back from canonical, say `unknown`.
"""

SentSourceWord: TypeAlias = Literal["file", "rest", "api"]
"""The words for rows that are sent to the API: its sender has read them from files or REST, or does not say."""


class CandleVersion(Model):
    """Values that were once said of a minute, with their bringer and moment."""

    ts_open: Moment
    version: int = Field(ge=1, description="1 is what was said first of this minute")
    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float | None
    trades: int | None
    source: CandleSourceWord | Literal["unknown"]
    """The bringer of it; `unknown` where that was not kept."""
    seen_at: Moment
    """The moment the store took it in: its `ingested_at`."""
    lag_ms: int
    """Milliseconds from the minute's close to then."""


class RevisionPage(Model):
    """All versions of the minutes that were said differently at different times, in order."""

    instrument: Instrument
    versions: tuple[CandleVersion, ...]
    next_cursor: str | None = None
    """The `cursor` of the next page; `null` after the last."""
