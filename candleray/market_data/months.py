"""The months that one insert may touch: each costs ClickHouse a part in two tables, however few rows it has."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from candleray.candles import CandleRows, IntArray
from candleray.errors import GuardExceeded, Problem

MOST_MONTHS = 100
"""Months (partitions) of one insert; ClickHouse itself takes no more in one block."""


def check_months(rows: CandleRows) -> None:
    """Raise `GuardExceeded` where the rows lie in more months than one insert may touch."""
    found = _months_of(rows.ts_open_ms).size
    if found > MOST_MONTHS:
        message = f"the candles lie in {found} months, one insert may touch {MOST_MONTHS}: send them in several"
        raise GuardExceeded(message, [Problem("rows", "over_the_limit", message)])


def within_months(rows: CandleRows) -> Iterator[CandleRows]:
    """The rows in order, in parts that one insert may have; mostly the rows as they are."""
    if _months_of(rows.ts_open_ms).size <= MOST_MONTHS:
        yield rows
    else:
        for half in rows.parts(-(-len(rows) // 2)):
            yield from within_months(half)


def _months_of(ts_open_ms: IntArray) -> IntArray:
    days = np.unique(ts_open_ms // 86_400_000)
    months: IntArray = np.unique(days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64))
    return months
