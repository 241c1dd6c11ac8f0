"""The months that one insert may touch: each costs ClickHouse a part in two tables, however few rows it has."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from candleray.candles import CandleRows, IntArray
from candleray.errors import GuardExceeded, Problem
from candleray.timeframes import DAY_MS

MOST_MONTHS = 100
"""Months (partitions) of one insert; ClickHouse itself takes no more in one block."""

SHORTEST_MONTH_MS = 28 * DAY_MS


def check_months(rows: CandleRows) -> None:
    """Raise `GuardExceeded` where the rows lie in more months than one insert may touch."""
    if _surely_few(rows):
        return
    found = months_of(rows.ts_open_ms).size
    if found > MOST_MONTHS:
        message = f"the candles lie in {found} months, one insert may touch {MOST_MONTHS}: send them in several"
        raise GuardExceeded(message, [Problem("rows", "over_the_limit", message)])


def within_months(rows: CandleRows) -> Iterator[CandleRows]:
    """The rows in order, in parts that one insert may have; mostly the rows as they are."""
    if _surely_few(rows) or months_of(rows.ts_open_ms).size <= MOST_MONTHS:
        yield rows
    else:
        for half in rows.parts(-(-len(rows) // 2)):
            yield from within_months(half)


def _surely_few(rows: CandleRows) -> bool:
    """Told without a look at each row: an insert may have a thousand parts of one row."""
    return not len(rows) or bool(np.ptp(rows.ts_open_ms) < (MOST_MONTHS - 1) * SHORTEST_MONTH_MS)


def months_of(ts_open_ms: IntArray) -> IntArray:
    """The months of these stamps, increasing."""
    days = np.unique(ts_open_ms // DAY_MS)
    months: IntArray = np.unique(days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64))
    return months
