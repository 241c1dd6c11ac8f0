"""Williams %R: how far the close is below the highest high, in percent of the range of the last `window` bars.

    williams_r[t] = -100 · (highest high - close[t]) / (highest high - lowest low), over the last `window` bars

0 at the top of the range and -100 at its bottom. The first value stands at index `window - 1`. A range of
nothing counts as -50, its middle, where TA-Lib says 0. After a NaN it begins again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kernels.declare import Example, Indicator, Param, Rule
from kernels.indicators._extremes import channel
from kernels.indicators._positions import position
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, FLOATS, FLOATS, INT, FLOATS_OUT)
def kernel(high, low, close, window, out):
    lowest = np.empty(close.size)
    channel(high, low, window, out, lowest)
    for t in range(close.size):
        out[t] = -100.0 * position(close[t], out[t], lowest[t])


def reference(
    high: Sequence[float], low: Sequence[float], close: Sequence[float], window: int
) -> list[list[float]]:
    out = [math.nan] * len(close)
    for t in range(window - 1, len(close)):
        highs, lows = high[t - window + 1 : t + 1], low[t - window + 1 : t + 1]
        if all(map(math.isfinite, [*highs, *lows])):
            reach = max(highs) - min(lows)
            out[t] = -100 * (max(highs) - close[t]) / reach if reach else -50.0
    return [out]


INDICATOR = Indicator(
    title="Williams %R",
    source="Williams 1973, How I Made One Million Dollars; TA-Lib WILLR",
    kernel=kernel,
    reference=reference,
    inputs={"high": ("high",), "low": ("low",), "close": ("close",)},
    outputs=("williams_r",),
    params={"window": Param("int", 14, 2, 20_000, 1, (7, 28, 7), "bars of the range")},
    lookback=lambda window: window - 1,
    bounds={"williams_r": (-100.0, 0.0)},
    fills=True,
    rule=Rule(
        "threshold_band",
        outputs=("williams_r",),
        params={
            "long_threshold": Param("float", -80, -100, 0, 0.5, (-90, -70, 5), "long at or below: oversold"),
            "short_threshold": Param("float", -20, -100, 0, 0.5, (-30, -10, 5), "short at or above: overbought"),
        },
    ),
    example=Example(
        inputs={"high": (2.0, 3.0, 5.0), "low": (1.0, 2.0, 3.0), "close": (1.5, 2.5, 5.0)},
        params={"window": 2},
        expected={"williams_r": (math.nan, -25.0, 0.0)},
    ),
)
