"""Aroon: how recent the highest high and the lowest low of a window are, 0 to 100 each.

    aroon_up[t]   = 100 · (window - bars since the highest high) / window
    aroon_down[t] = 100 · (window - bars since the lowest low) / window
    oscillator[t] = aroon_up[t] - aroon_down[t]

The extremes are those of the bar and the `window` bars before it, so the first value stands at index `window`;
of equal ones the latest counts. A NaN makes every window that holds it NaN, and nothing after.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from kernels.declare import Example, Indicator, Param, Rule
from kernels.indicators._extremes import bars_since
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, FLOATS, INT, FLOATS_OUT, FLOATS_OUT, FLOATS_OUT)
def kernel(high, low, window, aroon_up, aroon_down, oscillator):
    bars_since(high, low, window + 1, aroon_up, aroon_down)
    for t in range(high.size):
        aroon_up[t] = 100.0 * ((window - aroon_up[t]) / window)
        aroon_down[t] = 100.0 * ((window - aroon_down[t]) / window)
        oscillator[t] = aroon_up[t] - aroon_down[t]


def reference(high: Sequence[float], low: Sequence[float], window: int) -> list[list[float]]:
    up, down, oscillator = ([math.nan] * len(high) for _ in range(3))
    for t in range(window, len(high)):
        highs, lows = (list(reversed(prices[t - window : t + 1])) for prices in (high, low))
        if not all(math.isfinite(price) for price in (*highs, *lows)):
            continue
        up[t] = 100 * (window - highs.index(max(highs))) / window
        down[t] = 100 * (window - lows.index(min(lows))) / window
        oscillator[t] = up[t] - down[t]
    return [up, down, oscillator]


INDICATOR = Indicator(
    title="Aroon",
    source="Chande 1995, Technical Analysis of Stocks & Commodities; TA-Lib AROON, AROONOSC",
    kernel=kernel,
    reference=reference,
    inputs={"high": ("high",), "low": ("low",)},
    outputs=("aroon_up", "aroon_down", "oscillator"),
    params={"window": Param("int", 14, 2, 20_000, 1, (10, 50, 5), "bars back to the oldest extreme")},
    lookback=lambda window: window,
    bounds={"aroon_up": (0.0, 100.0), "aroon_down": (0.0, 100.0), "oscillator": (-100.0, 100.0)},
    fills=True,
    rule=Rule(
        "centred_threshold",
        outputs=("oscillator",),
        params={
            "centre": Param("float", 0, -100, 100, 1, (0, 0, 1), "neither extreme is more recent"),
            "threshold": Param("float", 0, 0, 100, 5, (0, 75, 25), "how far one must lead the other"),
        },
    ),
    example=Example(
        inputs={"high": (3.0, 2.0, 1.0, 4.0), "low": (2.0, 1.0, 0.5, 3.0)},
        params={"window": 2},
        expected={
            "aroon_up": (math.nan, math.nan, 0.0, 100.0),
            "aroon_down": (math.nan, math.nan, 100.0, 50.0),
            "oscillator": (math.nan, math.nan, -100.0, 50.0),
        },
    ),
)
