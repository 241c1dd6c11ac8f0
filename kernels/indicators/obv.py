"""On-balance volume: all volume so far, added on bars that closed higher, taken away on those that closed lower.

    obv[t] = obv[t-1] + volume[t] where close[t] > close[t-1], - volume[t] where it is less, else obv[t-1]

It begins with the first bar's volume, so its level depends on where history starts, and only its changes mean
something: compare values of one series alone. After a NaN it begins again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kernels.declare import Example, Indicator, Rule
from kernels.indicators._lags import LAGS
from kernels.indicators._lasts import LAST_STATE, keep_last, last_of
from kernels.jit import FLOATS, FLOATS_OUT, jit


@jit(FLOATS, FLOATS, FLOATS_OUT, FLOATS_OUT)
def kernel(close, volume, obv, state):
    total, previous = state[0], last_of(state[1:])
    for t in range(close.size):
        change = close[t] - previous
        if not np.isfinite(close[t] + volume[t]):
            previous = obv[t] = np.nan
            continue
        previous = close[t]
        total = total + np.sign(change) * volume[t] if np.isfinite(change) else volume[t]
        obv[t] = total
    state[0] = total
    keep_last(previous, state[1:])


def reference(close: Sequence[float], volume: Sequence[float]) -> list[list[float]]:
    obv: list[float] = []
    for t in range(len(close)):
        if not math.isfinite(close[t]) or not math.isfinite(volume[t]):
            obv.append(math.nan)
        elif not obv or math.isnan(obv[-1]):
            obv.append(volume[t])
        else:
            side = (close[t] > close[t - 1]) - (close[t] < close[t - 1])
            obv.append(obv[-1] + side * volume[t])
    return [obv]


INDICATOR = Indicator(
    title="On-Balance Volume",
    source="Granville 1963, New Key to Stock Market Profits; TA-Lib OBV",
    kernel=kernel,
    reference=reference,
    inputs={"close": ("close",), "volume": ("volume",)},
    outputs=("obv",),
    params={},
    lookback=lambda: 0,
    state_size=lambda: 1 + LAST_STATE,
    fills=True,
    rule=Rule("sign_of_change", outputs=("obv",), params=LAGS),
    example=Example(
        inputs={"close": (1.0, 2.0, 2.0, 1.0), "volume": (10.0, 3.0, 4.0, 5.0)},
        params={},
        expected={"obv": (10.0, 13.0, 13.0, 8.0)},
    ),
)
