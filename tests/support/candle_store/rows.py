"""Rows that tests of the candle store write, and what is made of what they read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pytest

from candleray.candles import CandleRows, Candles
from candleray.market_data.arrow_tables import as_raw
from candleray.market_data.candle_batch import CandleBatch
from candleray.markets import Instrument, InstrumentReference
from candleray.timeframes import from_ms

START_MS = 1_735_689_600_000  # 2025-01-01
MINUTE_MS = 60_000
FOREVER = (0, 4_000_000_000_000)


def candle_rows(minutes: list[int] | range, close: float = 10.5, quote_volume: float = np.nan) -> CandleRows:
    """One candle in each of these minutes after START_MS; the digits of its open tell which."""
    at = np.array(minutes, np.int64)
    values = np.empty((5, len(at)))
    values[0] = 10 + (at % 1000) / 1000
    values[1], values[2], values[3], values[4] = 11, 9, close, 0.1 * (at % 7)
    return CandleRows(START_MS + at * MINUTE_MS, values, np.full(len(at), quote_volume), np.full(len(at), np.nan))


def minutes_of(candles: Candles) -> list[int]:
    return ((candles.ts_open_ms - START_MS) // MINUTE_MS).tolist()


def raw_rows(instrument: Instrument, rows: CandleRows, ingested_at_ms: int) -> pa.Table:
    return as_raw(CandleBatch.of([(instrument, rows)]), ingested_at_ms, "file")


@contextmanager
def set_back_an_hour() -> Iterator[None]:
    """The clock as it is after somebody has put it right."""
    now_ns = time.time_ns
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time_ns", lambda: now_ns() - 3_600 * 10**9)
        yield


def listing(symbol: str, count: int) -> list[InstrumentReference]:
    """So many instruments of Bybit futures that are traded."""
    return [
        InstrumentReference(
            market_id=4,
            symbol=f"{symbol}{number}",
            status="Trading",
            price_tick=0.1,
            quantity_step=1.0,
            min_notional=5.0,
            listed_at=from_ms(START_MS),
        )
        for number in range(count)
    ]
