"""Average True Range: Wilder's average of how far price moved in a bar, the gap from the last close included.

    tr[t]  = max(high[t] - low[t], |high[t] - close[t-1]|, |low[t] - close[t-1]|)
    atr[t] = atr[t-1] + (tr[t] - atr[t-1]) / window, first the mean of tr[1] … tr[window]

The first value stands at index `window`: the first bar has no close before it. After a NaN it begins again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from kernels.declare import Example, Indicator, Param, Rule
from kernels.indicators._ranges import RANGE_STATE, average_true_range
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, FLOATS, FLOATS, INT, FLOATS_OUT, FLOATS_OUT)
def kernel(high, low, close, window, out, state):
    average_true_range(high, low, close, window, out, state)


def reference(
    high: Sequence[float], low: Sequence[float], close: Sequence[float], window: int
) -> list[list[float]]:
    out = [math.nan] * len(close)
    ranges: list[float] = []
    for t in range(1, len(close)):
        moves = (high[t] - low[t], abs(high[t] - close[t - 1]), abs(low[t] - close[t - 1]))
        ranges = [*ranges, max(moves)] if all(math.isfinite(move) for move in moves) else []
        if len(ranges) == window:
            out[t] = sum(ranges) / window
        elif len(ranges) > window:
            out[t] = (out[t - 1] * (window - 1) + ranges[-1]) / window
    return [out]


def _periods(description: str) -> Param:
    return Param("int", 1, 1, 1_000, 1, (1, 20, 1), description)


INDICATOR = Indicator(
    title="Average True Range",
    source="Wilder 1978, New Concepts in Technical Trading Systems; TA-Lib ATR",
    kernel=kernel,
    reference=reference,
    inputs={"high": ("high",), "low": ("low",), "close": ("close",)},
    outputs=("atr",),
    params={"window": Param("int", 14, 2, 5_000, 1, (7, 28, 7), "bars of Wilder's average")},
    lookback=lambda window: window,
    state_size=lambda window: RANGE_STATE,
    bounds={"atr": (0.0, math.inf)},
    fills=True,
    rule=Rule(
        "sign_of_change",
        outputs=("atr",),
        params={
            "long_delta_periods": _periods("long while it is above its value this many bars ago"),
            "short_delta_periods": _periods("short while it is below its value this many bars ago"),
        },
    ),
    example=Example(
        inputs={"high": (2.0, 3.0, 5.0, 4.0), "low": (1.0, 2.0, 3.0, 2.0), "close": (1.5, 2.5, 4.0, 3.0)},
        params={"window": 2},
        expected={"atr": (math.nan, math.nan, 2.0, 2.0)},
    ),
)
