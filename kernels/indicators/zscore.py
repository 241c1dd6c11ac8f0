"""Z-score: how many standard deviations price is from its mean.

    zscore[t] = (x[t] - mean) / √(Σ (x - mean)² / window), both over the last `window` bars

The first value stands at index `window - 1`. A window without any deviation is 0, its own mean. A NaN makes
every window that holds it NaN, and nothing after.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.indicators._means import sliding_spread
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, INT, FLOATS_OUT)
def kernel(source, window, zscore):
    variance = np.empty(source.size)
    sliding_spread(source, window, zscore, variance)
    for t in range(source.size):
        zscore[t] = zscore[t] / math.sqrt(variance[t]) if variance[t] != 0.0 else 0.0


def reference(source: Sequence[float], window: int) -> list[list[float]]:
    zscore = [math.nan] * len(source)
    for t in range(window - 1, len(source)):
        # Distances from the last value: their mean keeps the digits that one beside large prices would lose.
        distances = [value - source[t] for value in source[t - window + 1 : t + 1]]
        mean = sum(distances) / window
        deviation = math.sqrt(sum((distance - mean) ** 2 for distance in distances) / window)
        zscore[t] = -mean / deviation if deviation else 0.0
    return [zscore]


INDICATOR = Indicator(
    title="Z-Score",
    source="Standard score over a sliding window, with the population's deviation as in Bollinger bands",
    kernel=kernel,
    reference=reference,
    inputs={"source": PRICES},
    outputs=("zscore",),
    params={"window": Param("int", 20, 2, 20_000, 1, (10, 60, 5), "bars of the mean and of the deviation")},
    lookback=lambda window: window - 1,
    phase=lambda window: window,
    fills=True,
    rule=Rule(
        "threshold_band",
        outputs=("zscore",),
        params={
            "long_threshold": Param("float", -2, -10, 10, 0.1, (-3, -1, 0.5), "long at or below: under the mean"),
            "short_threshold": Param("float", 2, -10, 10, 0.1, (1, 3, 0.5), "short at or above: over it"),
        },
    ),
    example=Example(
        inputs={"source": (1.0, 3.0, 3.0, 7.0)},
        params={"window": 2},
        expected={"zscore": (math.nan, 1.0, 0.0, 1.0)},
    ),
    version=2,
)
