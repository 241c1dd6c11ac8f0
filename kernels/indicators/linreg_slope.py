"""Slope of the least-squares line through the last `window` values, in price per bar.

    slope[t] = Σ (i - (window - 1) / 2) · x[t-window+1+i] / (window · (window² - 1) / 12), i = 0 … window - 1

A NaN makes every window that holds it NaN, and nothing after.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kernels.declare import PRICES, Example, Indicator, Param, Rule
from kernels.jit import FLOATS, FLOATS_OUT, INT, jit


@jit(FLOATS, INT, FLOATS_OUT)
def kernel(source, window, slope):
    # A window is the tail of one block of `window` bars and the head of the next. Each part takes its values from
    # one of its own (`far`, `near`), so that a level far above the slope costs no digits and a flat window has
    # exactly no slope.
    centre = 0.5 * (window - 1)
    scale = 12.0 / (window * (window * window - 1.0))
    tails = np.full(window + 1, np.nan)
    tails[window] = far = 0.0
    for start in range(0, source.size, window):
        stop = min(start + window, source.size)
        near = source[start]
        plain = weighted = 0.0
        for t in range(start, stop):
            head = t - start + 1
            value = source[t] - near
            plain += value
            weighted += (t - start) * value
            step = 0.5 * head * (window - head) * (near - far)
            slope[t] = (tails[head] + weighted + (window - head - centre) * plain + step) * scale
        far = source[stop - 1] if np.isfinite(source[stop - 1]) else 0.0
        plain = weighted = 0.0
        for t in range(stop - 1, start, -1):
            weighted += plain
            plain += source[t] - far
            tails[t - start] = weighted - centre * plain


def reference(source: Sequence[float], window: int) -> list[list[float]]:
    slope = [math.nan] * len(source)
    offsets = [i - (window - 1) / 2 for i in range(window)]
    for t in range(window - 1, len(source)):
        values = source[t - window + 1 : t + 1]
        mean = sum(values) / window
        joint = sum(offset * (value - mean) for offset, value in zip(offsets, values, strict=True))
        slope[t] = joint / sum(offset * offset for offset in offsets)
    return [slope]


INDICATOR = Indicator(
    title="Linear Regression Slope",
    source="Least squares over a sliding window; TA-Lib LINEARREG_SLOPE",
    kernel=kernel,
    reference=reference,
    inputs={"source": PRICES},
    outputs=("slope",),
    params={"window": Param("int", 14, 2, 20_000, 1, (10, 100, 10), "bars the line is fitted to")},
    lookback=lambda window: window - 1,
    rule=Rule("sign_of_output", outputs=("slope",)),
    example=Example(
        inputs={"source": (1.0, 2.0, 4.0, 3.0)},
        params={"window": 3},
        expected={"slope": (math.nan, math.nan, 1.5, 0.5)},
    ),
)
