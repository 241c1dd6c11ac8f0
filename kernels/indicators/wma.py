"""Weighted moving average: the mean of the last `window` values, the last one weighted most.

    wma[t] = (window · x[t] + (window - 1) · x[t-1] + … + 1 · x[t-window+1]) / (window · (window + 1) / 2)

The first value stands at index `window - 1`. A NaN makes every window that holds it NaN, and nothing after.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.indicators._means import sliding_weighted_mean, weighted_mean_phase
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, INT, FLOATS_OUT)
def kernel(source, window, out):
    sliding_weighted_mean(source, window, out)


def reference(source: Sequence[float], window: int) -> list[list[float]]:
    out = [math.nan] * len(source)
    weights = range(1, window + 1)
    for t in range(window - 1, len(source)):
        values = source[t - window + 1 : t + 1]
        out[t] = sum(weight * value for weight, value in zip(weights, values, strict=True)) / sum(weights)
    return [out]


INDICATOR = Indicator(
    title="Weighted Moving Average",
    source="Linearly weighted mean of a sliding window; TA-Lib WMA",
    kernel=kernel,
    reference=reference,
    inputs={"source": PRICES},
    outputs=("wma",),
    params={"window": Param("int", 20, 2, 20_000, 1, (5, 200, 5), "bars in the average")},
    lookback=lambda window: window - 1,
    phase=lambda window: weighted_mean_phase(window),
    fills=True,
    rule=Rule("price_against_output", outputs=("wma",)),
    example=Example(
        inputs={"source": (1.0, 2.0, 3.0, 7.0)},
        params={"window": 3},
        expected={"wma": (math.nan, math.nan, 14 / 6, 29 / 6)},
    ),
    version=2,
)
