"""Request and runner that tests of the command line share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from click.testing import Result

from candleray.timeframes import MINUTE_MS

START_MS = 1_735_689_600_000  # 2025-01-01
SYMBOL = "CLIUSDT"
REQUEST = {
    "instrument": {"market_id": 1, "symbol": SYMBOL},
    "timeframe": "5m",
    "time_range": {"start": "2025-01-02", "end": "2025-01-04"},
    "indicators": [{"id": "sma", "params": {"window": {"start": 10, "stop": 100, "step": 5}}}],
}
Run = Callable[..., Result]


def csv_of(rows: np.ndarray) -> bytes:
    lines = [f"{int(ts)},{','.join(f'{value:.10g}' for value in values)}" for ts, *values in rows]
    return "\n".join(["ts_open,open,high,low,close,volume", *lines]).encode()


def minutes(count: int, first: int = 0) -> np.ndarray:
    """`(count, 6)`: stamps and plain candles."""
    stamps = START_MS + (first + np.arange(count)) * MINUTE_MS
    close = 100 + np.arange(count) % 7
    return np.column_stack([stamps, close, close + 1, close - 1, close, np.full(count, 2.0)])
