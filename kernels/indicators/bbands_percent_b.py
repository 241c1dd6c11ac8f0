"""Bollinger %b: where the value stands between the bands, 0 on the lower one and 1 on the upper one.

    bbands_percent_b[t] = (x[t] - lower[t]) / (upper[t] - lower[t])

The bands are those of `bbands`; the first value stands at index `window - 1`. In a flat window, whose bands are
one line, it is 0.5, the middle. A NaN makes every window that holds it NaN, and nothing after.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, pvariance

import numpy as np

from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.indicators._means import sliding_spread
from kernels.jit import FLOAT, FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, INT, FLOAT, FLOATS_OUT)
def kernel(source, window, stddev, out):
    above = np.empty(source.size)
    sliding_spread(source, window, above, out)
    for t in range(out.size):
        width = 2.0 * stddev * math.sqrt(out[t])
        out[t] = 0.5 + (above[t] / width if width != 0.0 else 0.0)


def reference(source: Sequence[float], window: int, stddev: float) -> list[list[float]]:
    out = [math.nan] * len(source)
    for t in range(window - 1, len(source)):
        below = [value - source[t] for value in source[t - window + 1 : t + 1]]
        upper, lower = (fmean(below) + side * stddev * math.sqrt(pvariance(below)) for side in (1, -1))
        out[t] = (0 - lower) / (upper - lower) if upper != lower else 0.5
    return [out]


INDICATOR = Indicator(
    title="Bollinger %b",
    source="Bollinger 2001, Bollinger on Bollinger Bands; TradingView's BB %b",
    kernel=kernel,
    reference=reference,
    inputs={"source": PRICES},
    outputs=("bbands_percent_b",),
    params={
        "window": Param("int", 20, 2, 20_000, 1, (10, 60, 5), "bars of the mean and of the deviation"),
        "stddev": Param("float", 2.0, 0.1, 10.0, 0.1, (1.5, 3.0, 0.5), "standard deviations to each band"),
    },
    lookback=lambda window, stddev: window - 1,
    phase=lambda window, stddev: window,
    fills=True,
    rule=Rule(
        "threshold_band",
        outputs=("bbands_percent_b",),
        params={
            "long_threshold": Param(
                "float", 0.0, -2.0, 3.0, 0.05, (0.0, 0.2, 0.1), "long at or below: low in the bands"
            ),
            "short_threshold": Param(
                "float", 1.0, -2.0, 3.0, 0.05, (0.8, 1.0, 0.1), "short at or above: high in them"
            ),
        },
    ),
    example=Example(
        inputs={"source": (1.0, 3.0, 3.0)},
        params={"window": 2, "stddev": 2.0},
        expected={"bbands_percent_b": (math.nan, 0.75, 0.5)},
    ),
    version=2,
)
