"""Pages of longer answers: each says where the next one begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from candleray.markets import Instrument, InstrumentReference
from candleray.timeframes import Moment, Timeframe
from candleray.validation import Model

T = TypeVar("T")


def collected(
    page: Callable[[int, str | None], tuple[Sequence[T], str | None]], limit: int | None, most: int
) -> list[T]:
    """The first `limit` entries, or all of them.

    Args:
        page: of a size and a cursor, its entries and the next cursor.
        most: the largest size of a page.
    """
    found: list[T] = []
    cursor: str | None = None
    while limit is None or len(found) < limit:
        entries, cursor = page(most if limit is None else min(most, limit - len(found)), cursor)
        found += entries
        if cursor is None:
            break
    return found


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
