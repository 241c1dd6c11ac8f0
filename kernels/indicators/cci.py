"""Commodity channel index: how far the typical price is from its mean, in units of its mean deviation.

    cci[t] = (x[t] - mean) / (0.015 · Σ |x[i] - mean| / window), i = t-window+1 … t, mean of the same values

The first value stands at index `window - 1`. A flat window gives 0. A NaN makes every window that holds it NaN,
and nothing after. Deviations from a mean that moves follow no recursion, so a bar costs `window` differences,
several of them at once. Lambert's own reading: long above +100, short below -100.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

import numpy as np

from kernels.declare import Example, Indicator, Param, Rule
from kernels.indicators._means import sliding_spread
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit

_STRIDE = 1024


@jit(FLOATS, INT, FLOATS_OUT)
def kernel(source, window, out):
    sliding_spread(source, window, out, np.empty(window))
    totals = np.empty(_STRIDE)
    for start in range(window - 1, source.size, _STRIDE):
        last, above = source[start : start + _STRIDE], out[start : start + _STRIDE]
        totals[:] = 0.0
        for i in range(window):
            earlier = source[start - i :]
            for bar in range(last.size):
                totals[bar] += abs(earlier[bar] - last[bar] + above[bar])
        for bar in range(last.size):
            deviation = 0.015 * totals[bar] / window
            above[bar] = above[bar] / deviation if deviation != 0.0 else 0.0


def reference(source: Sequence[float], window: int) -> list[list[float]]:
    out = [math.nan] * len(source)
    for t in range(window - 1, len(source)):
        below = [value - source[t] for value in source[t - window + 1 : t + 1]]
        mean = fmean(below)
        deviation = fmean(abs(value - mean) for value in below)
        out[t] = -mean / (0.015 * deviation) if deviation else 0.0
    return [out]


INDICATOR = Indicator(
    title="Commodity Channel Index",
    source="Lambert 1980, Commodity Channel Index, Commodities; TA-Lib CCI",
    kernel=kernel,
    reference=reference,
    inputs={"source": ("hlc3", "close", "open", "high", "low", "ohlc4")},
    outputs=("cci",),
    params={"window": Param("int", 20, 2, 2_000, 1, (10, 40, 5), "bars of the mean and of the mean deviation")},
    lookback=lambda window: window - 1,
    phase=lambda window: window,
    fills=True,
    rule=Rule(
        "centred_threshold",
        outputs=("cci",),
        params={
            "centre": Param("float", 0, -500, 500, 5, (0, 0, 5), "the value it swings around"),
            "threshold": Param(
                "float", 100, 0, 1_000, 5, (50, 200, 50), "how far from the centre a signal begins"
            ),
        },
    ),
    example=Example(
        inputs={"source": (1.0, 2.0, 6.0, 6.0)},
        params={"window": 2},
        expected={"cci": (math.nan, 200 / 3, 200 / 3, 0.0)},
    ),
    version=2,
)
