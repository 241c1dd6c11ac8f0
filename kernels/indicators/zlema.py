"""Zero-lag exponential moving average: the EMA of a price carried forward by its change over the lag.

    lag = ⌊(window - 1) / 2⌋
    zlema[t] = zlema[t-1] + (2 · x[t] - x[t-lag] - zlema[t-1]) · 2 / (window + 1)

The first value, at index lag + window - 1, is the simple mean of the first `window` values carried forward. After
a NaN it begins again in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.indicators._averages import MEAN_STATE, recursive_mean
from kernels.indicators.ema import reference as ema
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, INT, FLOATS_OUT, FLOATS_OUT, INT)
def kernel(source, window, out, state, start):
    lag = (window - 1) // 2
    first = max(lag, start)
    out[:first] = np.nan
    last, ahead, behind = source[first:], out[first:], source[first - lag :]
    for i in range(ahead.size):
        ahead[i] = 2.0 * last[i] - behind[i]
    recursive_mean(out[start:], window, 2.0 / (window + 1), out[start:], state)


def reference(source: Sequence[float], window: int) -> list[list[float]]:
    lag = (window - 1) // 2
    carried = [2 * source[t] - source[t - lag] if t >= lag else math.nan for t in range(len(source))]
    return ema(carried, window)


INDICATOR = Indicator(
    title="Zero-Lag Exponential Moving Average",
    source="Ehlers & Way 2010, Zero Lag (well, almost), in its usual form without gain; TA-Lib ZLEMA",
    kernel=kernel,
    reference=reference,
    inputs={"source": PRICES},
    outputs=("zlema",),
    params={"window": Param("int", 20, 2, 20_000, 1, (5, 200, 5), "bars of the EMA; half of them are its lag")},
    lookback=lambda window: (window - 1) // 2 + window - 1,
    state_size=lambda window: MEAN_STATE,
    input_lookback=lambda window: (window - 1) // 2,
    fills=True,
    rule=Rule("price_against_output", outputs=("zlema",)),
    example=Example(
        inputs={"source": (1.0, 2.0, 3.0, 5.0, 6.0)},
        params={"window": 3},
        expected={"zlema": (math.nan, math.nan, math.nan, 14 / 3, 35 / 6)},
    ),
)
