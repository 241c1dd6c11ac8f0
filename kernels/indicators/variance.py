"""Variance: the mean of the squared distances of the last `window` values from their mean.

    variance[t] = Σ (x[i] - mean)² / window, i = t-window+1 … t

The population's variance, as in TA-Lib. The first value stands at index `window - 1`. A NaN makes every window
that holds it NaN, and nothing after. TA-Lib takes the difference of two large sums, which at a price of 100,000
leaves it 8 digits or fewer; here a flat window has exactly no variance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import pvariance

import numpy as np

from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.indicators._lags import LAGS
from kernels.indicators._means import sliding_spread
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, INT, FLOATS_OUT)
def kernel(source, window, out):
    sliding_spread(source, window, np.empty(window), out)


def reference(source: Sequence[float], window: int) -> list[list[float]]:
    out = [math.nan] * len(source)
    for t in range(window - 1, len(source)):
        out[t] = pvariance(source[t - window + 1 : t + 1])
    return [out]


INDICATOR = Indicator(
    title="Variance",
    source="Population variance of a sliding window; TA-Lib VAR",
    kernel=kernel,
    reference=reference,
    inputs={"source": PRICES},
    outputs=("variance",),
    params={"window": Param("int", 20, 2, 20_000, 1, (10, 60, 10), "bars in the window")},
    lookback=lambda window: window - 1,
    phase=lambda window: window,
    bounds={"variance": (0.0, math.inf)},
    fills=True,
    rule=Rule("sign_of_change", outputs=("variance",), params=LAGS),
    example=Example(
        inputs={"source": (1.0, 3.0, 2.0, 2.0)},
        params={"window": 2},
        expected={"variance": (math.nan, 1.0, 0.25, 0.0)},
    ),
    version=2,
)
