"""Simple moving average: the mean of the last `window` values.

    sma[t] = (x[t] + x[t-1] + … + x[t-window+1]) / window

A NaN makes every window that holds it NaN, and nothing after.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, INT, FLOATS_OUT)
def kernel(source, window, out):
    # A window is the tail of one block of `window` bars and the head of the next. Summing both parts instead of
    # adding and subtracting at the ends leaves nothing to drift or to cancel, and lets a NaN leave with its bar.
    tails = np.full(window + 1, np.nan)
    tails[window] = 0.0
    equal = 0
    previous = np.nan
    for start in range(0, source.size, window):
        stop = min(start + window, source.size)
        head = 0.0
        for t in range(start, stop):
            value = source[t]
            head += value
            equal = equal + 1 if value == previous else 1
            previous = value
            # A flat window has its price as its mean to the bit: rounding must not put a price above its average.
            out[t] = value if equal >= window else (tails[t - start + 1] + head) / window
        tail = 0.0
        for t in range(stop - 1, start, -1):
            tail += source[t]
            tails[t - start] = tail


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
    rule=Rule("price_against_output", outputs=("sma",)),
    example=Example(
        inputs={"source": (1.0, 2.0, 3.0, 5.0)},
        params={"window": 3},
        expected={"sma": (math.nan, math.nan, 2.0, 10 / 3)},
    ),
)
