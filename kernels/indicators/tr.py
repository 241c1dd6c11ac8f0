"""True Range: how far price moved in a bar, the gap from the last close included.

    tr[t] = max(high[t] - low[t], |high[t] - close[t-1]|, |low[t] - close[t-1]|)

The first value stands at index 1: the first bar has no close before it. A NaN in the bar or in the last close
makes it NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kernels.declare import Example, Indicator, Rule
from kernels.indicators._lags import LAGS
from kernels.indicators._ranges import true_range
from kernels.jit import FLOATS, FLOATS_OUT, jit


@jit(FLOATS, FLOATS, FLOATS, FLOATS_OUT)
def kernel(high, low, close, out):
    out[:1] = np.nan
    tops, bottoms, ranges = high[1:], low[1:], out[1:]
    for i in range(ranges.size):
        ranges[i] = true_range(tops[i], bottoms[i], close[i])


def reference(high: Sequence[float], low: Sequence[float], close: Sequence[float]) -> list[list[float]]:
    out = [math.nan] * len(close)
    for t in range(1, len(close)):
        moves = (high[t] - low[t], abs(high[t] - close[t - 1]), abs(low[t] - close[t - 1]))
        out[t] = max(moves) if all(math.isfinite(move) for move in moves) else math.nan
    return [out]


INDICATOR = Indicator(
    title="True Range",
    source="Wilder 1978, New Concepts in Technical Trading Systems; TA-Lib TRANGE",
    kernel=kernel,
    reference=reference,
    inputs={"high": ("high",), "low": ("low",), "close": ("close",)},
    outputs=("tr",),
    params={},
    lookback=lambda: 1,
    bounds={"tr": (0.0, math.inf)},
    fills=True,
    rule=Rule("sign_of_change", outputs=("tr",), params=LAGS),
    example=Example(
        inputs={"high": (2.0, 3.0, 5.0), "low": (1.0, 2.0, 4.0), "close": (1.5, 2.5, 4.0)},
        params={},
        expected={"tr": (math.nan, 1.5, 2.5)},
    ),
)
