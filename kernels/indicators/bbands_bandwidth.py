"""Bollinger bandwidth: the distance between the bands in percent of the middle one.

    bbands_bandwidth[t] = 100 · (upper[t] - lower[t]) / middle[t]

The bands are those of `bbands`; the first value stands at index `window - 1`. A NaN makes every window that holds
it NaN, and nothing after.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, pvariance

import numpy as np

from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.indicators._lags import LAGS
from kernels.indicators._means import sliding_spread
from kernels.jit import FLOAT, FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, INT, FLOAT, FLOATS_OUT)
def kernel(source, window, stddev, out):
    above = np.empty(source.size)
    sliding_spread(source, window, above, out)
    for t in range(out.size):
        out[t] = 200.0 * stddev * math.sqrt(out[t]) / (source[t] - above[t])


def reference(source: Sequence[float], window: int, stddev: float) -> list[list[float]]:
    out = [math.nan] * len(source)
    for t in range(window - 1, len(source)):
        values = source[t - window + 1 : t + 1]
        out[t] = 100 * 2 * stddev * math.sqrt(pvariance(values)) / fmean(values)
    return [out]


INDICATOR = Indicator(
    title="Bollinger Bandwidth",
    source="Bollinger 2001, Bollinger on Bollinger Bands; in percent as TradingView's BBW",
    kernel=kernel,
    reference=reference,
    inputs={"source": PRICES},
    outputs=("bbands_bandwidth",),
    params={
        "window": Param("int", 20, 2, 20_000, 1, (10, 60, 10), "bars of the mean and of the deviation"),
        "stddev": Param("float", 2.0, 0.1, 10.0, 0.1, (2.0, 2.0, 0.5), "standard deviations to each band"),
    },
    lookback=lambda window, stddev: window - 1,
    phase=lambda window, stddev: window,
    bounds={"bbands_bandwidth": (0.0, math.inf)},
    fills=True,
    rule=Rule("sign_of_change", outputs=("bbands_bandwidth",), params=LAGS),
    example=Example(
        inputs={"source": (1.0, 3.0, 3.0)},
        params={"window": 2, "stddev": 2.0},
        expected={"bbands_bandwidth": (math.nan, 200.0, 0.0)},
    ),
    version=2,
)
