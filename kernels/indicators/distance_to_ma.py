"""Distance to the moving average: how far price is from its simple mean, in percent of it.

    distance_pct[t] = 100 · (x[t] - sma[t]) / sma[t], sma over the last `window` bars

The first value stands at index `window - 1`. A NaN makes every window that holds it NaN, and nothing after; a
mean of 0 has no percent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.indicators._means import mean_phase, sliding_mean
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, INT, FLOATS_OUT)
def kernel(source, window, distance_pct):
    sliding_mean(source, window, distance_pct)
    for t in range(source.size):
        mean = distance_pct[t]
        distance_pct[t] = 100.0 * ((source[t] - mean) / mean) if mean != 0.0 else math.nan


def reference(source: Sequence[float], window: int) -> list[list[float]]:
    distance = [math.nan] * len(source)
    for t in range(window - 1, len(source)):
        mean = sum(source[t - window + 1 : t + 1]) / window
        distance[t] = 100 * (source[t] - mean) / mean if mean else math.nan
    return [distance]


INDICATOR = Indicator(
    title="Distance to Moving Average",
    source="Price over its arithmetic mean; TradingView calls it disparity",
    kernel=kernel,
    reference=reference,
    inputs={"source": PRICES},
    outputs=("distance_pct",),
    params={"window": Param("int", 20, 2, 20_000, 1, (10, 200, 10), "bars in the average")},
    lookback=lambda window: window - 1,
    phase=lambda window: mean_phase(window),
    fills=True,
    rule=Rule(
        "centred_threshold",
        outputs=("distance_pct",),
        params={
            "centre": Param("float", 0, -100, 100, 0.1, (0, 0, 1), "price at its average"),
            "threshold": Param("float", 0, 0, 100, 0.1, (0, 1, 0.25), "percent from the average that count"),
        },
    ),
    version=2,
    example=Example(
        inputs={"source": (1.0, 3.0, 5.0, 5.0)},
        params={"window": 2},
        expected={"distance_pct": (math.nan, 50.0, 25.0, 0.0)},
    ),
)
