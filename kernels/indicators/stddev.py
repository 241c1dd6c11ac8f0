"""Standard deviation: the root of the mean squared distance of the last `window` values from their mean.

    stddev[t] = √(Σ (x[i] - mean)² / window), i = t-window+1 … t

The population's deviation, as in TA-Lib and in Bollinger bands: the root of `variance`, with its precision. The
first value stands at index `window - 1`. A NaN makes every window that holds it NaN, and nothing after.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.indicators._lags import LAGS
from kernels.indicators._means import sliding_spread
from kernels.indicators.variance import reference as variance
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, INT, FLOATS_OUT)
def kernel(source, window, out):
    sliding_spread(source, window, np.empty(window), out)
    for t in range(out.size):
        out[t] = math.sqrt(out[t])


def reference(source: Sequence[float], window: int) -> list[list[float]]:
    [variances] = variance(source, window)
    return [[math.sqrt(value) for value in variances]]


INDICATOR = Indicator(
    title="Standard Deviation",
    source="Population standard deviation of a sliding window; TA-Lib STDDEV",
    kernel=kernel,
    reference=reference,
    inputs={"source": PRICES},
    outputs=("stddev",),
    params={"window": Param("int", 20, 2, 20_000, 1, (10, 60, 10), "bars in the window")},
    lookback=lambda window: window - 1,
    phase=lambda window: window,
    bounds={"stddev": (0.0, math.inf)},
    fills=True,
    rule=Rule("sign_of_change", outputs=("stddev",), params=LAGS),
    example=Example(
        inputs={"source": (1.0, 3.0, 2.0, 2.0)},
        params={"window": 2},
        expected={"stddev": (math.nan, 1.0, 0.5, 0.0)},
    ),
    version=2,
)
