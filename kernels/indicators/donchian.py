"""Donchian channel: the highest high and the lowest low of the last `window` bars, and the middle between them.

    upper[t] = max(high[t-window+1] … high[t]), lower[t] = min(low[t-window+1] … low[t])
    middle[t] = (upper[t] + lower[t]) / 2

The bar itself is in its window, so its close never lies outside the channel: the signal reads the close against
the middle. A NaN makes every window that holds it NaN, and nothing after.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from kernels.declare import Example, Indicator, Param, Rule
from kernels.indicators._extremes import channel
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, FLOATS, INT, FLOATS_OUT, FLOATS_OUT, FLOATS_OUT)
def kernel(high, low, window, upper, middle, lower):
    channel(high, low, window, upper, lower)
    for t in range(high.size):
        middle[t] = 0.5 * (upper[t] + lower[t])


def reference(high: Sequence[float], low: Sequence[float], window: int) -> list[list[float]]:
    upper, middle, lower = ([math.nan] * len(high) for _ in range(3))
    for t in range(window - 1, len(high)):
        highs, lows = high[t - window + 1 : t + 1], low[t - window + 1 : t + 1]
        if all(math.isfinite(price) for price in (*highs, *lows)):
            upper[t], lower[t] = max(highs), min(lows)
            middle[t] = (upper[t] + lower[t]) / 2
    return [upper, middle, lower]


INDICATOR = Indicator(
    title="Donchian Channel",
    source="Donchian 1960, Commodity trend timing; TradingView Donchian Channels; TA-Lib MAX and MIN",
    kernel=kernel,
    reference=reference,
    inputs={"high": ("high",), "low": ("low",)},
    outputs=("upper", "middle", "lower"),
    params={"window": Param("int", 20, 2, 20_000, 1, (10, 100, 10), "bars of the extremes")},
    lookback=lambda window: window - 1,
    fills=True,
    rule=Rule("price_against_output", outputs=("middle",)),
    example=Example(
        inputs={"high": (3.0, 2.0, 5.0, 4.0), "low": (2.0, 1.0, 3.0, 3.5)},
        params={"window": 2},
        expected={
            "upper": (math.nan, 3.0, 5.0, 5.0),
            "middle": (math.nan, 2.0, 3.0, 4.0),
            "lower": (math.nan, 1.0, 1.0, 3.0),
        },
    ),
)
