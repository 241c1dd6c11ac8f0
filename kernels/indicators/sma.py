"""Simple moving average: the mean of the last `window` values.

    sma[t] = (x[t] + x[t-1] + … + x[t-window+1]) / window

A NaN makes every window that holds it NaN, and nothing after.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from kernels.comparisons import PLANES_OUT
from kernels.declare import PRICES, Example, Indicator, Param, Rule, WindowSweep
from kernels.indicators._mean_sweep import sides_of_means
from kernels.indicators._means import mean_phase, sliding_mean
from kernels.jit import FLOATS, FLOATS_OUT, INT, INTS, jit


@jit(FLOATS, INT, FLOATS_OUT)
def kernel(source, window, out):
    sliding_mean(source, window, out)


@jit(FLOATS, FLOATS, INTS, INT, PLANES_OUT)
def sweep(close, source, windows, start, planes):
    sides_of_means(close, source, windows, start, planes)


def reference(source: Sequence[float], window: int) -> list[list[float]]:
    out = [math.nan] * len(source)
    for t in range(window - 1, len(source)):
        out[t] = sum(source[t - window + 1 : t + 1]) / window
    return [out]


INDICATOR = Indicator(
    title="Simple Moving Average",
    source="Arithmetic mean of a sliding window; TA-Lib SMA",
    kernel=kernel,
    reference=reference,
    inputs={"source": PRICES},
    outputs=("sma",),
    params={"window": Param("int", 20, 2, 20_000, 1, (5, 200, 5), "bars in the average")},
    lookback=lambda window: window - 1,
    phase=lambda window: mean_phase(window),
    fills=True,
    rule=Rule("price_against_output", outputs=("sma",)),
    sweep=WindowSweep("window", sweep),
    version=2,
    example=Example(
        inputs={"source": (1.0, 2.0, 3.0, 5.0)},
        params={"window": 3},
        expected={"sma": (math.nan, math.nan, 2.0, 10 / 3)},
    ),
)
