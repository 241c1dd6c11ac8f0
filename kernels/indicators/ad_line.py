"""Accumulation/distribution line: all volume so far, each bar's weighted by where in its range it closed.

    ad_line[t] = ad_line[t-1] + volume[t] · ((close[t] - low[t]) - (high[t] - close[t])) / (high[t] - low[t])

It begins at 0 before the first bar, so its level depends on where history starts, and only its changes mean
something: compare values of one series alone. A bar without a range adds nothing. After a NaN it begins again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kernels.declare import Example, Indicator, Rule
from kernels.indicators._lags import LAGS
from kernels.jit import FLOATS, FLOATS_OUT, jit


@jit(FLOATS, FLOATS, FLOATS, FLOATS, FLOATS_OUT, FLOATS_OUT)
def kernel(high, low, close, volume, ad_line, state):
    total = state[0]
    for t in range(close.size):
        width = high[t] - low[t]
        if not np.isfinite(width + close[t] + volume[t]):
            total = 0.0
            ad_line[t] = np.nan
            continue
        if width > 0.0:
            total += ((close[t] - low[t]) - (high[t] - close[t])) / width * volume[t]
        ad_line[t] = total
    state[0] = total


def reference(
    high: Sequence[float], low: Sequence[float], close: Sequence[float], volume: Sequence[float]
) -> list[list[float]]:
    line: list[float] = []
    for t in range(len(close)):
        last = line[-1] if line and math.isfinite(line[-1]) else 0.0
        if not all(math.isfinite(value) for value in (high[t], low[t], close[t], volume[t])):
            line.append(math.nan)
        elif high[t] == low[t]:
            line.append(last)
        else:
            line.append(last + volume[t] * (2 * close[t] - low[t] - high[t]) / (high[t] - low[t]))
    return [line]


INDICATOR = Indicator(
    title="Accumulation/Distribution Line",
    source="Chaikin, after Williams 1972; TA-Lib AD",
    kernel=kernel,
    reference=reference,
    inputs={"high": ("high",), "low": ("low",), "close": ("close",), "volume": ("volume",)},
    outputs=("ad_line",),
    params={},
    lookback=lambda: 0,
    state_size=lambda: 1,
    fills=True,
    rule=Rule("sign_of_change", outputs=("ad_line",), params=LAGS),
    example=Example(
        inputs={
            "high": (4.0, 4.0, 3.0),
            "low": (0.0, 0.0, 3.0),
            "close": (3.0, 0.0, 3.0),
            "volume": (10.0, 2.0, 7.0),
        },
        params={},
        expected={"ad_line": (5.0, 3.0, 3.0)},
    ),
)
