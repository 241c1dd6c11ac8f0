"""Pivots: highs and lows that stand out among the bars around them, told on the bar that confirms them.

    pivot_high[t] = high[t-right] where no high of the `left` bars before it is above it and every high of the
                    `right` bars after it is below it, else NaN; pivot_low mirrored

A pivot is known `right` bars late and stands where it becomes known, never where it was: of equal ones the last
may be a pivot. The outputs hold a value on the bars of such an event alone; the first can stand at index `left
+ right`. After a NaN it begins again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from kernels.declare import Example, Indicator, Param, Rule
from kernels.indicators._extremes import bars_since
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, FLOATS, INT, INT, FLOATS_OUT, FLOATS_OUT)
def kernel(high, low, left, right, pivot_high, pivot_low):
    bars_since(high, low, left + right + 1, pivot_high, pivot_low)
    for t in range(high.size):
        pivot_high[t] = high[t - right] if pivot_high[t] == right else math.nan
        pivot_low[t] = low[t - right] if pivot_low[t] == right else math.nan


def reference(high: Sequence[float], low: Sequence[float], left: int, right: int) -> list[list[float]]:
    pivot_high, pivot_low = ([math.nan] * len(high) for _ in range(2))
    for t in range(left + right, len(high)):
        bars, pivot = slice(t - left - right, t + 1), t - right
        if not all(math.isfinite(price) for price in (*high[bars], *low[bars])):
            continue
        before, after = range(pivot - left, pivot), range(pivot + 1, t + 1)
        if all(high[i] <= high[pivot] for i in before) and all(high[i] < high[pivot] for i in after):
            pivot_high[t] = high[pivot]
        if all(low[i] >= low[pivot] for i in before) and all(low[i] > low[pivot] for i in after):
            pivot_low[t] = low[pivot]
    return [pivot_high, pivot_low]


def _bars(description: str) -> Param:
    return Param("int", 5, 1, 5_000, 1, (2, 20, 3), description)


INDICATOR = Indicator(
    title="Pivot Highs and Lows",
    source="Williams 1995, Trading Chaos: fractals, of any width; TradingView ta.pivothigh, ta.pivotlow",
    kernel=kernel,
    reference=reference,
    inputs={"high": ("high",), "low": ("low",)},
    outputs=("pivot_high", "pivot_low"),
    params={
        "left": _bars("bars before a pivot that do not reach past it"),
        "right": _bars("bars after a pivot that confirm it"),
    },
    lookback=lambda left, right: left + right,
    events=True,
    rule=Rule("pivot_events", outputs=("pivot_low", "pivot_high")),
    example=Example(
        inputs={"high": (2.0, 4.0, 3.0, 2.0, 3.0), "low": (1.0, 3.0, 2.0, 1.0, 2.0)},
        params={"left": 1, "right": 1},
        expected={
            "pivot_high": (math.nan, math.nan, 4.0, math.nan, math.nan),
            "pivot_low": (math.nan, math.nan, math.nan, math.nan, 1.0),
        },
    ),
)
