"""Bollinger bands: the simple mean of `window` values, and `stddev` population standard deviations either side.

    middle = mean(window), deviation = √(Σ (x - middle)² / window), upper and lower = middle ± stddev · deviation

A NaN makes every window that holds it NaN, and nothing after.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.indicators._means import sliding_spread
from kernels.jit import FLOAT, FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, INT, FLOAT, FLOATS_OUT, FLOATS_OUT, FLOATS_OUT)
def kernel(source, window, stddev, middle, upper, lower):
    sliding_spread(source, window, middle, upper)
    for t in range(source.size):
        mean, width = source[t] - middle[t], stddev * math.sqrt(upper[t])
        middle[t], upper[t], lower[t] = mean, mean + width, mean - width


def reference(source: Sequence[float], window: int, stddev: float) -> list[list[float]]:
    middle, upper, lower = ([math.nan] * len(source) for _ in range(3))
    for t in range(window - 1, len(source)):
        values = source[t - window + 1 : t + 1]
        middle[t] = sum(values) / window
        deviation = math.sqrt(sum((value - middle[t]) ** 2 for value in values) / window)
        upper[t], lower[t] = middle[t] + stddev * deviation, middle[t] - stddev * deviation
    return [middle, upper, lower]


INDICATOR = Indicator(
    title="Bollinger Bands",
    source="Bollinger 2001, Bollinger on Bollinger Bands; TA-Lib BBANDS with a simple mean",
    kernel=kernel,
    reference=reference,
    inputs={"source": PRICES},
    outputs=("middle", "upper", "lower"),
    params={
        "window": Param("int", 20, 2, 20_000, 1, (10, 60, 5), "bars of the mean and of the deviation"),
        "stddev": Param("float", 2.0, 0.1, 10.0, 0.1, (1.5, 3.0, 0.5), "standard deviations to each band"),
    },
    lookback=lambda window, stddev: window - 1,
    phase=lambda window, stddev: window,
    fills=True,
    rule=Rule("mean_reversion_band", outputs=("lower", "upper")),
    example=Example(
        inputs={"source": (1.0, 2.0, 3.0, 3.0)},
        params={"window": 2, "stddev": 2.0},
        expected={
            "middle": (math.nan, 1.5, 2.5, 3.0),
            "upper": (math.nan, 2.5, 3.5, 3.0),
            "lower": (math.nan, 0.5, 1.5, 3.0),
        },
    ),
    version=2,
)
