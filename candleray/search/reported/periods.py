"""Returns of calendar months and years, beside those of holding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from candleray.candles import FloatArray, IntArray


class PeriodReturn(NamedTuple):
    name: str
    """Such as `2025-01` or `2025`."""
    return_pct: float
    benchmark_return_pct: float


def period_returns(
    ts_open_ms: IntArray, equity: FloatArray, close: FloatArray, init_cash_quote: float, unit: Literal["M", "Y"]
) -> Iterator[PeriodReturn]:
    """Yield the return of each UTC month or year, or of the part of it that has bars.

    It is the last equity of the period against that before it; of the first one against the initial cash. The
    benchmark is the same of the closes, of the first one against the first close.
    """
    periods = ts_open_ms.astype("datetime64[ms]").astype(f"datetime64[{unit}]")
    ends = np.append(np.flatnonzero(periods[1:] != periods[:-1]), periods.size - 1)
    before = np.concatenate(([init_cash_quote], equity[ends][:-1]))
    held = np.concatenate((close[:1], close[ends][:-1]))
    for end, began, held_at in zip(ends.tolist(), before.tolist(), held.tolist(), strict=True):
        # A ruined account has nothing left that could return anything.
        grown = float(equity[end]) / began - 1.0 if began > 0 else 0.0
        yield PeriodReturn(str(periods[end]), grown * 100.0, (float(close[end]) / held_at - 1.0) * 100.0)
