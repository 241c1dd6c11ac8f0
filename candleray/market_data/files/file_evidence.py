"""Evidence of what a file holds, gathered from all of it before a row of it goes in.

Its close times, its steps, its names, and columns of the symbol, the interval and the exchange: whatever is no
one-minute candle of the instrument asked for speaks against the whole file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from candleray.candles import IntArray
from candleray.market_data.files.file_columns import FileRows
from candleray.market_data.files.file_names import NameClaims, interval_of
from candleray.market_data.insert_report import RefusedRows
from candleray.market_data.screening import YEAR_2009_MS, describe_row
from candleray.market_data.steps import are_minutes, seconds_text, wrong_steps
from candleray.markets import Instrument
from candleray.timeframes import MINUTE_MS

_QUOTES = ("USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USD", "EUR", "TRY", "BRL", "BTC", "ETH", "BNB")


class FileEvidence:
    """Evidence of one file, batch after batch."""

    def __init__(self, instrument: Instrument, names: Sequence[NameClaims]) -> None:
        self._instrument = instrument
        self._names = names
        self._steps: Counter[int] = Counter()
        self._durations: Counter[int] = Counter()
        self._labels: dict[str, Counter[str]] = {}
        self._readable = False

    def add(self, batch: FileRows) -> None:
        stamps = np.unique(batch.rows.ts_open_ms[batch.rows.ts_open_ms > YEAR_2009_MS])
        self._readable |= bool(stamps.size)
        _count(self._steps, np.diff(stamps))
        durations_ms = _durations_ms(batch)
        if durations_ms is not None:
            _count(self._durations, durations_ms[durations_ms != _UNKNOWN])
        for column, counts in batch.labels.items():
            self._labels.setdefault(column, Counter()).update(counts)

    def contradiction(self) -> str | None:
        """The first fault found, as the rest of a sentence about the file."""
        if not self._readable:
            return "has no time since 2009 (a time of day without its date?)"
        return self._wrong_place() or self._wrong_interval()

    def _wrong_place(self) -> str | None:
        wanted = self._instrument.symbol
        for claims in self._names:
            if claims.symbol and not _same_symbol(claims.symbol, wanted):
                return f"is named as candles of {claims.symbol}, not of {wanted}"
        others = _others(self._labels.get("symbol", {}), lambda text: _same_symbol(text, wanted))
        if others:
            return f"has candles of {others}, not of {wanted}"
        exchange = self._instrument.market.exchange
        others = _others(self._labels.get("exchange", {}), lambda text: exchange in text.lower())
        return f"has candles of the exchange {others}, not of {exchange}" if others else None

    def _wrong_interval(self) -> str | None:
        if self._durations:
            (duration_ms, _), *_ = self._durations.most_common(1)
            if duration_ms != MINUTE_MS:
                return f"has candles of {seconds_text(duration_ms)} s by their close times"
        others = _others(self._labels.get("interval", {}), _may_be_a_minute)
        if others:
            return f"says that its candles are of the interval {others}, not of a minute"
        return wrong_steps(self._steps) or self._wrong_name()

    def _wrong_name(self) -> str | None:
        for claims in self._names:
            sure = claims.of_archive or not (self._durations or are_minutes(self._steps))
            if sure and claims.interval_ms not in (None, MINUTE_MS):
                return f"has candles of {seconds_text(claims.interval_ms or 0)} s by its name"
        return None


def split_closed(batch: FileRows) -> tuple[IntArray, tuple[RefusedRows, ...]]:
    """The indices of the rows that may go in, and an account of those that say themselves that they may not."""
    kept = np.ones(len(batch), bool)
    refused = []
    for reason, bad in _row_faults(batch):
        at = np.flatnonzero(bad & kept)
        if at.size:
            example = describe_row(batch.rows, int(at[0]))
            refused.append(RefusedRows(reason=reason, count=int(at.size), first_example=example))
        kept &= ~bad
    return np.flatnonzero(kept), tuple(refused)


def _row_faults(batch: FileRows) -> list[tuple[str, NDArray[np.bool_]]]:
    faults = []
    if batch.closed is not None:
        faults.append(("does not say that it is closed", ~batch.closed))
    durations_ms = _durations_ms(batch)
    if durations_ms is not None:
        longer = (durations_ms > MINUTE_MS) | (durations_ms <= 0)
        faults.append(("closes more than a minute after its open", longer & (durations_ms != _UNKNOWN)))
    return faults


_UNKNOWN = -(2**62)


def _durations_ms(batch: FileRows) -> IntArray | None:
    """Times from open to close, where both can be read and the open lies on the minute.

    A close time may be the last ms, the last second, or the next candle's open.
    """
    if batch.close_ms is None:
        return None
    opens, closes = batch.rows.ts_open_ms, batch.close_ms
    known = (opens > YEAR_2009_MS) & (closes > YEAR_2009_MS) & (opens % MINUTE_MS == 0)
    found = closes - opens
    found = np.where(found % 1000 == 999, found + 1, found)
    found = np.where((found > 0) & (found % MINUTE_MS == MINUTE_MS - 1000), found + 1000, found)
    durations: IntArray = np.where(known, found, _UNKNOWN)
    return durations


def _count(counter: Counter[int], values: IntArray) -> None:
    found, counts = np.unique(values, return_counts=True)
    counter.update(dict(zip(found.tolist(), counts.tolist(), strict=True)))


def _same_symbol(text: str, symbol: str) -> bool:
    """True for the symbol however it is written (`BTC/USDT`, `BINANCE:BTCUSDT.P`), and for its base alone.

    A mere number names nothing.
    """
    if text.replace(".", "").isdigit():
        return True
    name = text.upper().rpartition(":")[2] if text.count(":") == 1 and "/" not in text else text.upper()
    name = re.sub(r"[^\w]", "", re.sub(r"(:\w+|\.P|[-_]SWAP|[-_]PERP)$", "", name)).replace("_", "")
    return name == symbol or (symbol.startswith(name) and symbol.removeprefix(name) in _QUOTES)


def _may_be_a_minute(text: str) -> bool:
    if re.fullmatch(r"\d+(\.0+)?", text):
        return float(text) in (1, 60, 60_000)
    interval_ms = interval_of(text) or interval_of(f"1{text}")
    return interval_ms in (None, MINUTE_MS)


def _others(counts: Mapping[str, int], fits: Callable[[str], bool]) -> str:
    """The values that do not fit, the most frequent first."""
    others = Counter({text: count for text, count in counts.items() if not fits(text)})
    named = [f"{text[:40]} ({count:,} rows)" for text, count in others.most_common(3)]
    return ", ".join(named) + (", …" if len(others) > len(named) else "")
